# SPDX-License-Identifier: Apache-2.0
"""What CouchDB 1 and PouchDB Server refuse in a replication document: less than CouchDB 3, and in other words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator.texts import RejectedDocumentError

_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "create_target": (lambda value: isinstance(value, bool), "field must be a boolean."),
    "continuous": (lambda value: isinstance(value, bool), "field must be a boolean."),
    "doc_ids": (lambda value: isinstance(value, list), "field must be an array of strings."),
    "filter": (lambda value: isinstance(value, str) and value != "", "field must be a non-empty string."),
    "query_params": (lambda value: isinstance(value, Mapping), "field must be an object."),
    "user_ctx": (lambda value: isinstance(value, Mapping), "property must be a non-null object."),
}


def check_legacy(document: Mapping[str, Any]) -> None:
    """Raises RejectedDocumentError."""
    for side in ("source", "target"):
        _check_endpoint(side, document.get(side))
    for name, (fits, rule) in _FIELDS.items():
        if name in document and not fits(document[name]):
            raise RejectedDocumentError(f"The `{name}' {rule}")


def _check_endpoint(side: str, value: Any) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, Mapping):
        raise RejectedDocumentError(f"The `{side}' property must exist and be either a string or an object.")
    if not isinstance(value.get("url"), str) or not value["url"]:
        raise RejectedDocumentError(
            f"The url property must exist in the `{side}' field and must be a non-empty string."
        )
    for name in ("auth", "headers"):
        if name in value and not isinstance(value[name], Mapping):
            raise RejectedDocumentError(f"`{side}.{name}' must be a non-null object.")
