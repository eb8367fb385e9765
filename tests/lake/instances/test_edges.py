# SPDX-License-Identifier: Apache-2.0
"""Edges, and which table an instance is in (flaws 9 and 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tests.lake.instances.world import ALWAYS, NEVER, NODES, SPACE, TYPES
from tests.lake.snapshots.making import run as run_snapshot
from tests.lake.snapshots.making import stable

if TYPE_CHECKING:
    from tests.lake.instances.world import World


def edge(external_id: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    node = {"space": SPACE}
    return {
        "instanceType": "edge",
        "space": SPACE,
        "externalId": external_id,
        "type": {"space": SPACE, "externalId": "flows"},
        "startNode": node | {"externalId": start},
        "endNode": node | {"externalId": end},
        **more,
    }


def test_edges_with_and_without_a_view(world: World) -> None:
    world.make(range(4))
    world.make_view({"length": {"type": "float64"}}, name="Pipe", used_for="edge")
    source = {"type": "view", "space": SPACE, "externalId": "Pipe", "version": "v1"}
    pipe = edge("pipe", "p0", "p1", sources=[{"source": source, "properties": {"length": 2.5}}])
    items = [pipe, edge("plain", "p1", "p2"), edge("last", "p2", "p3")]
    world.project.call("POST", "/models/instances", {"items": items})
    report = world.run(views=None, edge_spaces=None)
    paths = [table["table"] for table in report.tables]
    assert paths == [f"instances/_edges/{SPACE}", f"instances/{SPACE}/Pipe/v1/edges", NODES]
    (row,) = world.rows(f"instances/{SPACE}/Pipe/v1/edges")
    assert (row["length"], row["_startNode"]["externalId"], row["_endNode"]["externalId"]) == (2.5, "p0", "p1")
    assert row["_type"] == {"space": SPACE, "externalId": "flows"}
    assert sorted(row["_externalId"] for row in world.rows(f"instances/_edges/{SPACE}")) == ["last", "pipe", "plain"]
    world.delete("p3")  # and its edges with it
    world.delete("pipe", kind="edge")
    world.run(views=None, edge_spaces=None)
    assert [row["_externalId"] for row in world.rows(f"instances/_edges/{SPACE}")] == ["plain"]
    assert world.rows(f"instances/{SPACE}/Pipe/v1/edges") == []
    world.check()


def test_edges_are_told_apart_by_space_and_by_when_they_were_made(world: World) -> None:
    """A delete took the edges with the same external id in all spaces, and those that were made anew in the same page. And an edge
    that was deleted while the cursor expired stayed for ever."""
    world.project.call("POST", "/models/spaces", {"items": [{"space": "other"}]})
    world.make_view({"length": {"type": "float64"}}, name="Pipe", used_for="edge")
    source = {"type": "view", "space": SPACE, "externalId": "Pipe", "version": "v1"}
    path = f"instances/{SPACE}/Pipe/v1/edges"

    def make(external_id: str, end: str, space: str = SPACE) -> None:
        found = edge(external_id, "p0", end, sources=[{"source": source, "properties": {"length": 1.5}}])
        world.project.call("POST", "/models/instances", {"items": [found | {"space": space}]})

    def check() -> dict[tuple[str, str], str]:
        world.check(path, "Pipe", "edge")
        world.run(views=("Pipe",), merge_when=ALWAYS)
        world.check(path, "Pipe", "edge")
        assert pl.read_delta(world.lake.uri(path)).height == len(world.instances("Pipe", "edge"))
        return {(row["_space"], row["_externalId"]): row["_endNode"]["externalId"] for row in world.rows(path)}

    world.make(range(4))
    make("e", "p1")
    make("e", "p1", space="other")
    make("f", "p1")
    world.run(views=("Pipe",))
    world.delete("e", kind="edge")
    world.run(views=("Pipe",), merge_when=NEVER)
    assert check() == {("other", "e"): "p1", (SPACE, "f"): "p1"}
    world.delete("f", kind="edge")
    make("f", "p3")
    world.run(views=("Pipe",), merge_when=NEVER)
    assert check() == {("other", "e"): "p1", (SPACE, "f"): "p3"}
    world.delete("e", kind="edge", space="other")
    world.project.sandbox.control.advance(4 * 24 * 3600 * 1000)
    world.run(views=("Pipe",), merge_when=NEVER)
    assert check() == {(SPACE, "f"): "p3"}


def test_edges_of_a_connection_are_in_the_published_file(world: World) -> None:
    """They were stored under their type and looked for under their view: the file had no rows, whatever there was. Each once, though
    both of its ends are in views that are copied."""
    view = {"type": "view", "space": SPACE, "externalId": "Pump", "version": "v1"}
    flows = {"connectionType": "multi_edge_connection", "source": view, "direction": "outwards"}
    container = {"type": "container", "space": SPACE, "externalId": "Pump"}
    properties = {
        "name": {"container": container, "containerPropertyIdentifier": "name"},
        "flows": flows | {"type": {"space": SPACE, "externalId": "Pump.flows"}},
    }
    world.make_view(TYPES, view={"externalId": "Joined", "properties": properties})
    world.make(range(3))
    items = [
        edge(name, "p0", end, type={"space": SPACE, "externalId": "Pump.flows"})
        for name, end in (("a", "p1"), ("b", "p2"))
    ]
    world.project.call("POST", "/models/instances", {"items": items})
    world.run(views=("Joined",), edge_spaces=None)
    run_snapshot(world.lake, ["instances/*/*/*/*", "instances/_edges/*"])
    published = stable(world.lake, f"edges.{SPACE}")
    columns = ("_externalId", "_type.externalId", "_startNode.externalId", "_endNode.externalId")
    assert sorted(published.select(columns).rows()) == [
        ("a", "Pump.flows", "p0", "p1"),
        ("b", "Pump.flows", "p0", "p2"),
    ]


def test_the_same_name_in_two_spaces_and_versions(world: World) -> None:
    """All three had one table, in which a value that is a float in one of them was cut to the whole number of another."""
    world.project.call("POST", "/models/spaces", {"items": [{"space": "two"}]})
    views = []
    for number, (space, version, kind) in enumerate((("two", "v1", "text"), (SPACE, "v2", "float64"))):
        name = f"Own{number}"
        container = {"space": space, "externalId": name, "properties": {"count": {"type": {"type": kind}}}}
        world.project.call("POST", "/models/containers", {"items": [container]})
        mapped = {"container": {"type": "container", "space": space, "externalId": name}}
        shown = {"count": mapped | {"containerPropertyIdentifier": "count"}}
        view = {"space": space, "externalId": "Pump", "version": version}
        world.project.call("POST", "/models/views", {"items": [view | {"properties": shown}]})
        views.append({"type": "view"} | view)
    views.append({"type": "view", "space": SPACE, "externalId": "Pump", "version": "v1"})
    models = [
        {"space": SPACE, "externalId": f"M{number}", "version": "1", "views": part}
        for number, part in enumerate((views[:1], views[1:2], views[2:]))
    ]
    world.project.call("POST", "/models/datamodels", {"items": models})
    world.make([1])
    for view, count in zip(views, ("text", 1.75), strict=False):
        node = {"instanceType": "node", "space": SPACE, "externalId": f"of {view['space']}"}
        sources = [{"source": view, "properties": {"count": count}}]
        world.project.call("POST", "/models/instances", {"items": [node | {"sources": sources}]})
    for number in (2, 1, 0):
        world.run(views=None, data_model=f"M{number}")
    found = {view: world.rows(f"instances/{view}/nodes") for view in ("two/Pump/v1", f"{SPACE}/Pump/v2")}
    assert {view: [(row["_externalId"], row["count"]) for row in rows] for view, rows in found.items()} == {
        "two/Pump/v1": [("of two", "text")],
        f"{SPACE}/Pump/v2": [(f"of {SPACE}", 1.75)],
    }
    world.check()


def test_a_data_model_names_its_views(world: World) -> None:
    world.make_view({"length": {"type": "float64"}}, name="Tank")
    views = [{"type": "view", "space": SPACE, "externalId": name, "version": "v1"} for name in ("Pump", "Tank")]
    for version, named in (("1", views[:1]), ("2", views)):
        model = {"space": SPACE, "externalId": "Model", "version": version, "views": named}
        world.project.call("POST", "/models/datamodels", {"items": [model]})
        world.project.sandbox.control.advance(1000)
    world.make(range(3))
    assert len(world.run(views=None, data_model="Model").tables) == 2
    assert len(world.run(views=None, data_model="Model", data_model_version="1").tables) == 1
    assert len(world.run(views=("Tank",), data_model="Model").tables) == 1
    assert len(world.run(views=("Pump/v1",)).tables) == 1
    world.check()


def test_a_view_for_nodes_and_edges_has_two_tables(world: World) -> None:
    world.make_view({"note": {"type": "text"}}, name="Both", used_for="all")
    source = {"type": "view", "space": SPACE, "externalId": "Both", "version": "v1"}
    noted = [{"source": source, "properties": {"note": "n"}}]
    world.make(range(2))
    node = {"instanceType": "node", "space": SPACE, "externalId": "same", "sources": noted}
    items = [node, edge("same", "p0", "p1", sources=noted)]
    world.project.call("POST", "/models/instances", {"items": items})
    world.run(views=("Both",))
    path = f"instances/{SPACE}/Both/v1"
    assert [row["note"] for kind in ("nodes", "edges") for row in world.rows(f"{path}/{kind}")] == ["n", "n"]
    world.delete("same")
    world.run(views=("Both",))
    assert [len(world.rows(f"{path}/{kind}")) for kind in ("nodes", "edges")] == [0, 1]
