# SPDX-License-Identifier: Apache-2.0
"""Columns of sequences: their timestamps at creation, and the patches that add, change and remove them."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import (
    Check,
    Field,
    Invalid,
    expected,
    list_of,
    metadata,
    one_of,
    record,
    text,
)
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.patches import patched
from airflow_provider_replicator.sandbox.cdf.project import Project

MAX_COLUMNS = 400

column_fields: dict[str, Field] = {
    "externalId": Field(text(255), "required"),
    "name": Field(text(255)),
    "description": Field(text(1000)),
    "valueType": Field(one_of("STRING", "DOUBLE", "LONG"), None),
    "metadata": Field(metadata(pairs=256, key_bytes=128, value_bytes=10_000, total_bytes=10_000), "object"),
}
_column = record({name: field.check for name, field in column_fields.items()}, required=("externalId",))
_columns: Check = list_of(_column, MAX_COLUMNS, 1)


def columns(value: Any) -> Any:
    """The columns of a new sequence."""
    checked = _columns(value)
    _refuse_repeated(checked)
    for column in checked:
        column.setdefault("valueType", "DOUBLE")
    return checked


def _refuse_repeated(checked: list[Document]) -> None:
    if len({column["externalId"] for column in checked}) < len(checked):
        raise Invalid("column external ids must be unique")


def stamp(project: Project, docs: list[Document]) -> None:
    """Columns carry times of their own."""
    now = project.clock.now_ms()
    for doc in docs:
        for column in doc["columns"]:
            column["createdTime"] = column["lastUpdatedTime"] = now


def restamp(project: Project, changes: list[tuple[Document, Document]]) -> None:
    now = project.clock.now_ms()
    for old, new in changes:
        before = {column["externalId"]: column for column in old["columns"]}
        for column in new["columns"]:
            if before.get(column["externalId"]) != column:
                column.setdefault("createdTime", now)
                column["lastUpdatedTime"] = now


def patch_columns(old: Document, patch: Any) -> Any:
    """``{"modify": [{externalId, update}], "add": [column], "remove": [{externalId}]}``, or ``{"set": [column]}``."""
    if set(patch) == {"set"}:
        return columns(patch["set"])
    if not patch or set(patch) - {"modify", "add", "remove"}:
        raise Invalid("expected modify, add and remove")
    present = {column["externalId"]: dict(column) for column in old["columns"]}
    for item in _named(patch, "modify", present):
        before = present[item["externalId"]]
        try:
            present[item["externalId"]] = patched(before, item.get("update", {}), column_fields, {}, "update")
        except ApiError as error:
            raise Invalid(f"modify: {error}") from error
    for item in _named(patch, "remove", present):
        present.pop(item["externalId"], None)
    added = columns(patch["add"]) if patch.get("add") else []
    result = [*present.values(), *added]
    if not 1 <= len(result) <= MAX_COLUMNS:
        raise Invalid(f"there must be 1 to {MAX_COLUMNS} columns, would be {len(result)}")
    _refuse_repeated(result)
    return result


def _named(patch: dict[str, Any], name: str, present: dict[str, Document]) -> list[dict[str, Any]]:
    items = patch.get(name, [])
    if type(items) is not list:
        raise expected("a list", items)
    for item in items:
        if type(item) is not dict or type(item.get("externalId")) is not str:
            raise Invalid(f"{name}: expected objects with externalId")
        if item["externalId"] not in present:
            raise Invalid(f"{name}: there is no column {item['externalId']!r}")
    return items
