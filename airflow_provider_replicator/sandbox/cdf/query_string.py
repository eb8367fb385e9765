# SPDX-License-Identifier: Apache-2.0
"""GET lists: from the query string to the body that the POST list would have had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.kinds import Kind

_PLAIN = ("cursor", "partition")
_FLAGS = {"root", "uploaded", "isString", "isStep"}
#: filters whose elements are {"id"} or {"externalId"} in a body, bare ids in a query string
_OBJECTS = {"rootIds", "rootAssetIds", "assetSubtreeIds", "dataSetIds"}


def list_payload(kind: Kind, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Raises 400 for values of the wrong type. Parameters that the resource does not have are ignored."""
    payload: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    for name, values in query.items():
        value = values[0]
        if name == "limit":
            payload["limit"] = _integer(name, value)
        elif name in _PLAIN:
            payload[name] = value
        elif name == "sort":
            payload["sort"] = values
        else:
            _filter(kind, filters, name, values)
    if filters:
        payload["filter"] = filters
    return payload


def _filter(kind: Kind, filters: dict[str, Any], name: str, values: list[str]) -> None:
    bound, field = name[:3], name[3:4].lower() + name[4:]
    if bound in ("min", "max") and field in kind.filters:
        filters.setdefault(field, {})[bound] = _integer(name, values[0])
    elif name == "assetSubtreeExternalIds" and "assetSubtreeIds" in kind.filters:
        filters.setdefault("assetSubtreeIds", []).extend({"externalId": one} for one in _list(name, values))
    elif name not in kind.filters:
        return
    elif name in _FLAGS:
        filters[name] = _flag(name, values[0])
    elif name in _OBJECTS:
        elements = _list(name, values)
        filters.setdefault(name, []).extend(one if isinstance(one, dict) else {"id": one} for one in elements)
    elif name.endswith("Ids"):
        filters[name] = _list(name, values)
    elif name == "metadata":
        filters[name] = _json(name, values[0])
    else:
        filters[name] = values[0]


def _integer(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise ApiError(400, f"{name}: expected an integer") from error
    if number.bit_length() > 63:
        raise ApiError(400, f"{name}: out of range for a 64-bit integer")
    return number


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ApiError(400, f"{name}: expected true or false")
    return value.lower() == "true"


def _json(name: str, value: str) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"{name}: expected JSON") from error


def _list(name: str, values: list[str]) -> list[Any]:
    """``[1,2]`` as JSON, or the parameter repeated."""
    if values[0].startswith("["):
        value = _json(name, values[0])
        return list(value)
    return [_json(name, value) if value.lstrip("-").isdigit() or value.startswith("{") else value for value in values]


def boolean_of(query: Mapping[str, list[str]], name: str, *, default: bool) -> bool:
    """A flag of a query string. Raises 400."""
    values = query.get(name)
    return _flag(name, values[0]) if values else default


def integer_of(query: Mapping[str, list[str]], name: str, minimum: int, maximum: int, default: int) -> int:
    """A number of a query string. Raises 400."""
    values = query.get(name)
    if not values:
        return default
    number = _integer(name, values[0])
    if not minimum <= number <= maximum:
        raise ApiError(400, f"{name}: must be between {minimum} and {maximum}, is {number}")
    return number
