# SPDX-License-Identifier: Apache-2.0
"""Reading request bodies and writing answers: the shapes that all resources share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import Invalid, boolean, integer, internal_id, text
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry

_external_id = text(255)


def body(request: Request) -> dict[str, Any]:
    """The JSON object of the request. 400 if it is none."""
    try:
        value = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"Cannot parse the request body as JSON: {error}") from error
    if type(value) is not dict:
        raise ApiError(400, "The request body must be a JSON object")
    return value


def items(payload: dict[str, Any], maximum: int) -> list[dict[str, Any]]:
    """``payload["items"]``: 1 to ``maximum`` objects."""
    value = payload.get("items")
    if type(value) is not list:
        raise ApiError(400, "items: expected a list")
    if not 1 <= len(value) <= maximum:
        raise ApiError(400, f"items: must have 1 to {maximum} elements, has {len(value)}")
    if set(map(type, value)) != {dict}:
        raise ApiError(400, "items: every element must be an object")
    return value


def checked(path: str, check: Any, value: Any) -> Any:
    try:
        return check(value)
    except Invalid as error:
        raise ApiError(400, f"{path}: {error}") from error


def limit_of(value: Any, default: int, maximum: int = 1000) -> int:
    return default if value is None else int(checked("limit", integer(1, maximum), value))


def flag_of(payload: Mapping[str, Any], name: str) -> bool:
    value = payload.get(name)
    return False if value is None else bool(checked(name, boolean, value))


def identifier_of(item: dict[str, Any], path: str, *, ids: bool = True) -> dict[str, Any]:
    """Just the identifying part of an item. 400 unless exactly one of id, externalId and instanceId is there and well formed."""
    names = [name for name in ("id", "externalId", "instanceId") if item.get(name) is not None]
    if len(names) != 1 or (not ids and names != ["externalId"]):
        raise ApiError(400, f"{path}: expected exactly one of {'id, ' if ids else ''}externalId")
    name = names[0]
    if name == "id":
        checked(f"{path}.id", internal_id, item["id"])
    elif name == "externalId":
        checked(f"{path}.externalId", _external_id, item["externalId"])
    else:
        instance = item["instanceId"]
        if type(instance) is not dict or {type(instance.get(k)) for k in ("space", "externalId")} != {str}:
            raise ApiError(400, f"{path}.instanceId: expected an object with space and externalId")
    return {name: item[name]}


def find_all(
    store: DocumentStore, wanted: list[dict[str, Any]], *, ids: bool = True, ignore_unknown: bool = False
) -> list[Entry]:
    """The entries that the items name, in order. 400 with ``missing`` if there are unknown ones and they are not ignored."""
    found = [store.find(identifier_of(item, f"items[{n}]", ids=ids)) for n, item in enumerate(wanted)]
    entries = [entry for entry in found if entry is not None]
    if len(entries) < len(found) and not ignore_unknown:
        unknown = [
            identifier_of(item, "items", ids=ids) for item, entry in zip(wanted, found, strict=True) if not entry
        ]
        raise missing(unknown)
    return entries


def missing(identifiers: list[dict[str, Any]]) -> ApiError:
    unique = list({repr(item): item for item in identifiers}.values())
    return ApiError(
        400, f"Ids not found: {', '.join(str(next(iter(item.values()))) for item in unique[:10])}", missing=unique
    )


def answer(documents: Iterable[bytes], *, cursor: str | None = None, status: int = 200) -> Response:
    """``{"items": [...], "nextCursor"?}`` of documents that are JSON already."""
    tail = b"]}" if cursor is None else b'],"nextCursor":"' + cursor.encode() + b'"}'
    return Response(status, b'{"items":[' + b",".join(documents) + tail)


def json_answer(value: Any, *, status: int = 200) -> Response:
    return Response(status, orjson.dumps(value))
