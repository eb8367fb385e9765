# SPDX-License-Identifier: Apache-2.0
"""A small CDF project to replicate, and what a project holds as seen by somebody who only knows the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
#: Names of a resource in the API, by what it is called here.
PATHS = {
    "labels": "labels",
    "assets": "assets",
    "events": "events",
    "time_series": "timeseries",
    "data_sets": "datasets",
}
SERVER_MADE = {"id", "createdTime", "lastUpdatedTime", "rootId", "parentId", "path"}


@dataclass(frozen=True, slots=True)
class Project:
    """One project of a sandbox, through plain requests."""

    sandbox: RunningSandbox
    name: str

    def post(self, path: str, payload: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.sandbox.token}", "Content-Type": "application/json"}
        return self.sandbox.control.call("POST", f"/api/v1/projects/{self.name}{path}", payload, headers)

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        return self.sandbox.control.call("GET", f"/api/v1/projects/{self.name}{path}", None, headers)

    def create(self, resource: str, *items: dict[str, Any]) -> None:
        self.post(f"/{PATHS[resource]}", {"items": list(items)})

    def update(self, resource: str, external_id: str, **changes: Any) -> None:
        update = {name: {"set": value} for name, value in changes.items()}
        self.post(f"/{PATHS[resource]}/update", {"items": [{"externalId": external_id, "update": update}]})

    def insert(self, series: str, points: dict[int, float | str]) -> None:
        values = [{"timestamp": timestamp, "value": value} for timestamp, value in points.items()]
        self.post("/timeseries/data", {"items": [{"externalId": series, "datapoints": values}]})

    def delete_points(self, series: str, start: int, end: int) -> None:
        items = [{"externalId": series, "inclusiveBegin": start, "exclusiveEnd": end}]
        self.post("/timeseries/data/delete", {"items": items})

    def points(self, series: str, start: int = 0, end: int = 4 * 10**12) -> dict[int, float | str]:
        query = {"items": [{"externalId": series}], "start": start, "end": end, "limit": 100_000}
        found = self.post("/timeseries/data/list", query)["items"][0]["datapoints"]
        return {point["timestamp"]: point["value"] for point in found}

    def insert_rows(self, database: str, table: str, rows: dict[str, dict[str, Any]]) -> None:
        items = [{"key": key, "columns": columns} for key, columns in rows.items()]
        self.post(f"/raw/dbs/{database}/tables/{table}/rows?ensureParent=true", {"items": items})

    def rows(self) -> dict[str, dict[str, Any]]:
        """``{"database/table": {key: columns}}``."""
        found = {}
        for database in self.get("/raw/dbs")["items"]:
            for table in self.get(f"/raw/dbs/{database['name']}/tables")["items"]:
                path = f"/raw/dbs/{database['name']}/tables/{table['name']}/rows?limit=10000"
                rows = self.get(path)["items"]
                found[f"{database['name']}/{table['name']}"] = {row["key"]: row["columns"] for row in rows}
        return found

    def listed(self, resource: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.post(f"/{PATHS[resource]}/list", {"limit": 1000, **({"cursor": cursor} if cursor else {})})
            items += page["items"]
            cursor = page.get("nextCursor")
            if not cursor:
                return items

    def content(self) -> dict[str, Any]:
        """All of it, without what the server made and with references by external id: equal for a project and its replica."""
        found: dict[str, Any] = {resource: self.listed(resource) for resource in PATHS}
        names = {item["id"]: item["externalId"] for items in found.values() for item in items if "id" in item}
        content = {
            resource: {item["externalId"]: _comparable(item, names) for item in items}
            for resource, items in found.items()
        }
        points = {series: self.points(series) for series in content["time_series"]}
        return {**content, "datapoints": points, "raw": self.rows()}


def _comparable(item: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name not in SERVER_MADE}
    if "metadata" in kept:
        own = {name: value for name, value in kept["metadata"].items() if not name.startswith("_replicated")}
        kept["metadata"] = own
    for name in ("assetId", "dataSetId"):
        if name in kept:
            kept[name] = names[kept[name]]
    if "assetIds" in kept:
        kept["assetIds"] = sorted(names[number] for number in kept["assetIds"])
    return {name: value for name, value in kept.items() if value not in ({}, [])}


def fill(project: Project, *, first_day_ms: int, days: int = 3) -> None:
    """A plant of 40 assets with everything that hangs on it; datapoints of so many days."""
    project.create("data_sets", {"externalId": "plant", "name": "Plant", "metadata": {}})
    project.create("labels", {"externalId": "pump", "name": "Pump"})
    data_set = project.listed("data_sets")[0]["id"]
    root = {"externalId": "root", "name": "Root", "dataSetId": data_set}
    project.create("assets", root, *(asset(number) for number in range(39)))
    ids = {item["externalId"]: item["id"] for item in project.listed("assets")}
    project.create("events", *(event(number, ids) for number in range(25)))
    series = [
        {"externalId": f"series-{number}", "name": f"S{number}", "assetId": ids["asset-0"]} for number in range(6)
    ]
    project.create("time_series", *series, {"externalId": "text", "isString": True})
    for number in range(6):
        project.insert(
            f"series-{number}", {first_day_ms + hour * HOUR_MS: hour * 0.5 + number for hour in range(24 * days)}
        )
    project.insert("text", {first_day_ms + day * DAY_MS: f"day {day}" for day in range(days)})
    project.insert_rows("sap", "orders", {f"order-{number}": {"number": number, "text": "ä"} for number in range(30)})


def asset(number: int) -> dict[str, Any]:
    parent = "root" if number < 3 else f"asset-{number // 3 - 1}"
    labels = {"labels": [{"externalId": "pump"}]} if number % 5 == 0 else {}
    return {
        "externalId": f"asset-{number}",
        "name": f"Asset {number}",
        "parentExternalId": parent,
        "metadata": {"number": str(number)},
        **labels,
    }


def event(number: int, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "externalId": f"event-{number}",
        "type": "work",
        "startTime": number * 1000,
        "assetIds": [ids[f"asset-{number}"], ids["root"]],
    }
