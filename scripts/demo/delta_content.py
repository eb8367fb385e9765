# SPDX-License-Identifier: Apache-2.0
"""What is in the source's data model, and what readers that are not ours find in the tables, in one form that can be compared.

The source is read with the official SDK, the tables with DuckDB and Polars, the snapshots with Tableau's engine as well. Values become
JSON by what CDF says of a property, not by what a reader makes of a column: 1.5 as float32 is four bytes, a timestamp milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from scripts.demo.model import EDGES, view_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cognite.client import CogniteClient

    from scripts.demo.model import Property

#: What identifies an instance, and what it holds: property -> comparable value, without those that are empty.
Rows = dict[str, dict[str, Any]]


def content_hash(rows: Rows) -> str:
    """One hash of everything, in whatever order it was read."""
    lines = sorted(json.dumps([key, row], sort_keys=True) for key, row in rows.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(expected: Rows, found: Rows) -> list[str]:
    """The first few, in words."""
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    words = [f"{len(missing)} missing, such as {min(missing)}"] if missing else []
    words += [f"{len(extra)} too many, such as {min(extra)}"] if extra else []
    for key in sorted(expected.keys() & found.keys()):
        if expected[key] != found[key]:
            names = [name for name in expected[key] | found[key] if expected[key].get(name) != found[key].get(name)]
            first = names[0]
            words.append(f"{key}: {first} is {found[key].get(first)!r}, expected {expected[key].get(first)!r}")
            break
    return words


def of_source(client: CogniteClient, view: str, properties: Mapping[str, Property]) -> Rows:
    """Every instance of a view."""
    found = client.data_modeling.instances.list(
        instance_type="edge" if view in EDGES else "node", sources=_sdk_view(view), limit=None
    )
    return {f"{one.space}/{one.external_id}": of_instance(one.dump(), properties) for one in found}


def of_instance(document: Mapping[str, Any], properties: Mapping[str, Property]) -> dict[str, Any]:
    """One instance as the official SDK dumps it."""
    held = next(iter(next(iter(document["properties"].values())).values())) if properties else {}
    row = {"_version": document["version"]} | _comparable(held, properties)
    return row | {
        f"_{name}": _reference(document[name]) for name in ("type", "startNode", "endNode") if name in document
    }


def of_table(documents: Iterable[Mapping[str, Any]], properties: Mapping[str, Property]) -> Rows:
    """The rows of a table, as a reader gives them."""
    rows: Rows = {}
    for document in documents:
        key = f"{document['_space']}/{document['_externalId']}"
        if key in rows:
            key += " (again)"  # is one too many, and will be said
        row = {"_version": document["_version"]} | _comparable(document, properties)
        for name in ("_type", "_startNode", "_endNode"):
            if document.get(name):
                row[name] = _reference(document[name])
        rows[key] = row
    return rows


def _sdk_view(name: str) -> Any:
    from cognite.client.data_classes.data_modeling import ViewId

    wanted = view_id(name)
    return ViewId(wanted["space"], wanted["externalId"], wanted["version"])


def _comparable(values: Mapping[str, Any], properties: Mapping[str, Property]) -> dict[str, Any]:
    found = {}
    for name, definition in properties.items():
        value = values.get(name)
        if value is None:
            continue
        kind = definition["type"]
        form = _FORMS.get(kind["type"], _same)
        if kind.get("list"):
            value = json.loads(value) if isinstance(value, str) else value
            found[name] = [None if one is None else form(one) for one in value]
        else:
            found[name] = form(value)
    return found


def _same(value: Any) -> Any:
    return value


def _float32(value: Any) -> str:
    return struct.pack("<f", value).hex()


def _float64(value: Any) -> str:
    return struct.pack("<d", value).hex()


def _timestamp(value: Any) -> int:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:  # Tableau's engine gives UTC without saying so
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _date(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _reference(value: Any) -> str:
    return f"{value['space']}/{value['externalId']}"


_FORMS: dict[str, Callable[[Any], Any]] = {
    "float32": _float32,
    "float64": _float64,
    "timestamp": _timestamp,
    "date": _date,
    "json": _json,
    "direct": _reference,
}
