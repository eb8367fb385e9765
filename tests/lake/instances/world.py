# SPDX-License-Identifier: Apache-2.0
"""A project with a data model, a lake, and what the tables should hold: the instances that are there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.lake.feeds.current import current_frame
from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.lake.instances.options import InstancesOptions
from airflow_provider_replicator.lake.instances.replicate import replicate_instances
from airflow_provider_replicator.lake.table import Table
from tests.acceptance.projects import SETTINGS, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_replicator.cdf.http.transport import Transport
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake

Doc = dict[str, Any]
SPACE = "plant"
NODES = f"instances/{SPACE}/Pump/v1/nodes"
CHANGES = f"{NODES}_changes"
#: Nothing is merged by itself.
NEVER = MergeWhen(small_table=0, share=None, rows=None, batches=None, hours=None)
ALWAYS = MergeWhen(small_table=10**9)

TYPES: dict[str, Doc] = {
    "name": {"type": "text"},
    "power": {"type": "float64", "unit": {"externalId": "power:w"}},
    "count": {"type": "int64"},
    "on": {"type": "boolean"},
}


def options(**more: Any) -> InstancesOptions:
    return InstancesOptions(**{"space": SPACE, "views": ("Pump",), "edge_spaces": ()} | more)


@dataclass(slots=True)
class World:
    project: Project
    lake: Lake
    types: dict[str, Doc] = field(default_factory=lambda: dict(TYPES))
    #: what is put around the transport
    wrap: Callable[[Transport], Transport] = field(default=lambda transport: transport)

    # -- the model

    def make_model(self, *, view: Doc | None = None, used_for: str = "node") -> None:
        self.project.call("POST", "/models/spaces", {"items": [{"space": SPACE}]})
        self.make_view(self.types, view=view, used_for=used_for)

    def make_view(
        self, types: dict[str, Doc], *, name: str = "Pump", view: Doc | None = None, used_for: str = "node"
    ) -> None:
        """A container and a view of the same properties; again with more of them, it grows."""
        container = {
            "space": SPACE,
            "externalId": name,
            "usedFor": used_for,
            "properties": {one: {"type": kind, "nullable": True} for one, kind in types.items()},
        }
        self.project.call("POST", "/models/containers", {"items": [container]})
        source = {"type": "container", "space": SPACE, "externalId": name}
        properties = {one: {"container": source, "containerPropertyIdentifier": one} for one in types}
        document = {"space": SPACE, "externalId": name, "version": "v1", "properties": properties, **(view or {})}
        self.project.call("POST", "/models/views", {"items": [document]})

    # -- the instances

    def apply(self, *nodes: Doc, view: str = "Pump", space: str = SPACE, replace: bool = False) -> None:
        """Nodes as ``{"externalId": …, property: value …}``."""
        source = {"type": "view", "space": SPACE, "externalId": view, "version": "v1"}
        items = []
        for node in nodes:
            properties = {one: value for one, value in node.items() if one not in ("externalId", "type")}
            more = {"type": node["type"]} if "type" in node else {}
            items.append(
                {
                    "instanceType": "node",
                    "space": space,
                    "externalId": node["externalId"],
                    "sources": [{"source": source, "properties": properties}],
                    **more,
                }
            )
        for start in range(0, len(items), 1000):
            body = {"items": items[start : start + 1000], "replace": replace}
            self.project.call("POST", "/models/instances", body)

    def make(self, numbers: Iterable[int], **properties: Any) -> None:
        """Nodes ``p0``, ``p1`` … with values that follow from their number."""
        self.apply(
            *({"externalId": f"p{n}", "name": f"Pump {n}", "power": n / 4, "count": n, **properties} for n in numbers)
        )

    def delete(self, *external_ids: str, space: str = SPACE, kind: str = "node") -> None:
        items = [{"instanceType": kind, "space": space, "externalId": one} for one in external_ids]
        for start in range(0, len(items), 1000):
            self.project.call("POST", "/models/instances/delete", {"items": items[start : start + 1000]})

    def instances(self, view: str = "Pump", kind: str = "node") -> dict[tuple[str, str], Doc]:
        """What there is, by key."""
        source = {"type": "view", "space": SPACE, "externalId": view, "version": "v1"}
        body: Doc = {"instanceType": kind, "sources": [{"source": source}], "limit": 1000}
        found = {}
        while True:
            answer = self.project.call("POST", "/models/instances/list", body)
            for item in answer["items"]:
                found[item["space"], item["externalId"]] = item
            if not answer.get("nextCursor"):
                return found
            body["cursor"] = answer["nextCursor"]

    # -- the run and the tables

    def client(self) -> CdfClient:
        token = StaticToken(self.project.sandbox.token)
        transport: Transport = AiohttpTransport(
            self.project.sandbox.base_url, self.project.name, token, settings=SETTINGS
        )
        return CdfClient(self.wrap(transport), project=self.project.name, settings=SETTINGS)

    def run(self, chosen: InstancesOptions | None = None, **more: Any) -> Report:
        return asyncio.run(self.arun(chosen, **more))

    async def arun(self, chosen: InstancesOptions | None = None, **more: Any) -> Report:
        async with self.client() as client:
            return await replicate_instances(source=client, lake=self.lake, options=chosen or options(**more))

    def did(self, **more: Any) -> list[str]:
        """What a run did besides following the changes."""
        (table,) = self.run(**more).tables
        return list(table.get("did", []))

    def rows(self, path: str = NODES) -> list[Doc]:
        """The rows that are current, pending changes among them."""
        found: list[Doc] = current_frame(self.lake, path).collect().to_dicts()
        return found

    def check(self, path: str = NODES, view: str = "Pump", kind: str = "node") -> None:
        """The current rows are the instances: each once, with its values."""
        rows = self.rows(path)
        there = self.instances(view, kind)
        table = Table(self.lake, path)
        handle = table.open()
        assert handle is not None
        columns = table.properties(handle)
        names = {column: name for name, column in columns.items() if not name.startswith("_")}
        assert sorted((row["_space"], row["_externalId"]) for row in rows) == sorted(there)
        for row in rows:
            item = there[row["_space"], row["_externalId"]]
            properties = item["properties"].get(SPACE, {}).get(f"{view}/v1", {})
            told = {names[name]: value for name, value in row.items() if name in names and value is not None}
            assert told == properties, item["externalId"]
            assert row["_version"] == item["version"]
            assert int(row["_lastUpdatedTime"].timestamp() * 1000 + 0.5) == item["lastUpdatedTime"]
