# SPDX-License-Identifier: Apache-2.0
"""The rows of the data set as nodes and edges of the demo's data model, as the API takes them. Text that is no value is left out."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from cognite.client.data_classes.data_modeling import EdgeApply, NodeApply

from scripts.demo import model
from scripts.demo.model import CONTAINS, DATA_SPACE, ITEM_LINK, MODEL_SPACE, ORDER_LINK, view_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cognite.client import CogniteClient

    from scripts.demo.data_set import DataSet, Row, Series

Instance = dict[str, Any]
#: What the API takes in one request.
BATCH = 1_000
NOTHING = ("", "null")
DAY = 10  # characters of an ISO date


def load(client: CogniteClient, data: DataSet) -> None:
    """The model, then its instances in the order of their references, a thousand a request."""
    model.apply(client)
    waiting = instances(data)
    while batch := list(islice(waiting, BATCH)):
        nodes = [NodeApply.load(one) for one in batch if one["instanceType"] == "node"]
        edges = [EdgeApply.load(one) for one in batch if one["instanceType"] == "edge"]
        client.data_modeling.instances.apply(nodes=nodes or None, edges=edges or None)


def instances(data: DataSet) -> Iterator[Instance]:
    """Nodes before the edges between them, equipment before what hangs below it."""
    yield from _equipment(data)
    yield from (_node(row["externalId"], "WorkOrder", _work_order(row)) for row in data.rows("workorders"))
    orders = {row["externalId"] for row in data.rows("workorders")}
    yield from (_node(row["externalId"], "WorkItem", _work_item(row, orders)) for row in data.rows("workitems"))
    yield from _links(data, "workorder2assets", ORDER_LINK)
    yield from _links(data, "workitem2assets", ITEM_LINK)
    items = {row["externalId"] for row in data.rows("workitems")}
    for row in data.rows("workorder2items"):
        if row["sourceExternalId"] in orders and row["targetExternalId"] in items:
            yield edge(f"contains:{row['externalId']}", CONTAINS, row["sourceExternalId"], row["targetExternalId"])


def edge(name: str, kind: str, start: str, end: str, properties: Mapping[str, Any] | None = None) -> Instance:
    """An edge of the demo's data space; with properties it is one of the view EquipmentLink."""
    found: Instance = {
        "instanceType": "edge",
        "space": DATA_SPACE,
        "externalId": name,
        "type": {"space": MODEL_SPACE, "externalId": kind},
        "startNode": _reference(start),
        "endNode": _reference(end),
    }
    if properties is not None:
        found["sources"] = [{"source": view_id("EquipmentLink"), "properties": dict(properties)}]
    return found


def _node(name: str, view: str, properties: Mapping[str, Any]) -> Instance:
    given = {key: value for key, value in properties.items() if value is not None}
    return {
        "instanceType": "node",
        "space": DATA_SPACE,
        "externalId": name,
        "sources": [{"source": view_id(view), "properties": given}],
    }


def _reference(name: str) -> dict[str, str]:
    return {"space": DATA_SPACE, "externalId": name}


def _equipment(data: DataSet) -> Iterator[Instance]:
    rows = {row["externalId"]: row for row in data.rows("assets")}
    series = {row["asset"]: row["timeseries"] for row in data.rows("timeseries2assets")}
    drawings = [row["name"] for row in data.rows("files_metadata")]
    depth = {name: len(_path(rows, name)) for name in rows}
    for number, name in enumerate(sorted(rows, key=lambda one: (depth[one], one))):
        row = rows[name]
        measured = series.get(name)
        yield _node(
            name,
            "Equipment",
            {
                "tag": row["tag"],
                "description": row["description"],
                "categoryId": _number(row["categoryId"], int),
                "areaId": _number(row["areaId"], int),
                "isActive": row["isActive"] == "true",
                "isCriticalLine": row["isCriticalLine"] == "true",
                "createdDate": _moment(row["createdDate"]),
                "installed": None if row["createdDate"] in NOTHING else row["createdDate"][:DAY],
                "parent": None if row["parentExternalId"] in NOTHING else _reference(row["parentExternalId"]),
                "path": [_reference(one) for one in _path(rows, name)],
                "tagParts": row["tag"].split("-"),
                "measuredBy": measured,
                "drawing": drawings[number] if number < len(drawings) else None,
                "curve": f"curve of {name}" if measured else None,
                "original": dict(row),
                **(_statistics(data.points[measured]) if measured else {}),
            },
        )


def _path(rows: Mapping[str, Row], name: str) -> list[str]:
    """From the root down to and including ``name``."""
    parent = rows[name]["parentExternalId"]
    return [*(_path(rows, parent) if parent in rows else []), name]


def _statistics(series: Series) -> dict[str, Any]:
    years = series.timestamps.astype("datetime64[ms]").astype("datetime64[Y]")
    return {
        "meanValue": float(series.values.mean()),
        "lastValue": float(np.float32(series.values[-1])),
        "yearlyMeans": [float(series.values[years == year].mean()) for year in np.unique(years)],
    }


def _work_order(row: Row) -> dict[str, Any]:
    moments = [_moment(row[name]) for name in ("createdDate", "plannedStart", "dueDate")]
    return {
        "title": row["title"],
        "description": row["description"],
        "status": _number(row["status"], int),
        "percentageProgress": _number(row["percentageProgress"], float),
        "actualHours": _number(row["actualHours"], float),
        "isCompleted": row["isCompleted"] == "true",
        "isSafetyCritical": row["isSafetyCritical"],
        "plannedStart": _moment(row["plannedStart"]),
        "dueDate": None if row["dueDate"] in NOTHING else row["dueDate"][:DAY],
        "started": _moment_of_ms(row["startTime"]),
        "ended": _moment_of_ms(row["endTime"]),
        "milestones": [moment for moment in moments if moment],
        "program": row["programNumber"] or None,
    }


def _work_item(row: Row, orders: set[str]) -> dict[str, Any]:
    return {
        "itemName": row["itemName"],
        "itemInfo": row["itemInfo"],
        "criticality": row["criticality"] or None,
        "toBeDone": row["toBeDone"] == "true",
        "workOrder": _reference(row["workOrder"]) if row["workOrder"] in orders else None,
        "startedMs": _number(row["startTime"], int),
    }


def _links(data: DataSet, table: str, kind: str) -> Iterator[Instance]:
    """Edges to equipment, with their place among the links of the same thing as a property."""
    positions: dict[str, int] = defaultdict(int)
    for row in data.rows(table):
        start, end = row["sourceExternalId"], row["targetExternalId"]
        positions[start] += 1
        properties = {"position": positions[start], "note": table}
        yield edge(f"{table}:{row['externalId']}", kind, start, end, properties)


def _number(text: str, kind: Callable[[str], float]) -> float | None:
    return None if text in NOTHING else kind(text)


def _moment(text: str) -> str | None:
    """An ISO timestamp; the data set's own times name no zone, and are taken as UTC."""
    return (
        None if text in NOTHING else datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    )


def _moment_of_ms(text: str) -> str | None:
    if text in NOTHING:
        return None
    return datetime.fromtimestamp(int(text) / 1000, UTC).isoformat(timespec="milliseconds")
