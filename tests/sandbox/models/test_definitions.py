# SPDX-License-Identifier: Apache-2.0
"""Spaces, containers, views and data models: written, changed, listed, retrieved, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models.modelling import (
    EVERY_TYPE,
    SPACE,
    apply,
    container,
    container_ref,
    mapped,
    node,
    node_ref,
    properties,
    view,
    view_ref,
)


def refused(cdf: Caller, path: str, item: dict[str, Any]) -> str:
    with pytest.raises(AnswerError) as caught:
        cdf.create(path, item)
    assert caught.value.status == 400
    return str(caught.value.error["message"])


def listed(cdf: Caller, path: str, **query: Any) -> list[str]:
    """The external ids (or spaces) of all pages, two at a time, with versions where there are some."""
    found: list[str] = []
    cursor = ""
    while True:
        words = "&".join(f"{name}={value}" for name, value in {"limit": 2, **query}.items()).replace("+", "&usedFor=")
        page = cdf.get(f"{path}?{words}{cursor}")
        found += [
            "/".join(filter(None, (one.get("externalId", one["space"]), one.get("version")))) for one in page["items"]
        ]
        if "nextCursor" not in page:
            return found
        cursor = f"&cursor={page['nextCursor']}"


# -- what they have in common ----------------------------------------------------------------------------------------


def test_what_is_written_again_unchanged_keeps_its_times(models: Caller) -> None:
    items: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("/models/spaces", {"space": "again"}, {"description": "d"}),
        ("/models/containers", container("C", {"a": {"type": "text"}}), {"name": "n"}),
        ("/models/views", view("V", {"text": mapped("All", "text")}), {"name": "n"}),
        (
            "/models/datamodels",
            {"space": SPACE, "externalId": "M", "version": "1", "views": [view_ref("All")]},
            {"name": "n"},
        ),
    ]
    for path, item, change in items:
        (first,) = models.create(path, item)
        models.server.clock.advance(1000)
        assert models.create(path, item) == [first]
        (changed,) = models.create(path, {**item, **change})
        assert changed["createdTime"] == first["createdTime"]
        assert changed["lastUpdatedTime"] > first["lastUpdatedTime"]


def test_a_request_is_stored_wholly_or_not_at_all(models: Caller) -> None:
    models.create("/models/containers", container("Old", {"a": {"type": "text"}}, name="before"))
    with pytest.raises(AnswerError, match="do not exist"):
        models.create(
            "/models/containers",
            container("Old", {"a": {"type": "text"}}, name="after"),
            container("New", {"a": {"type": "text"}}, constraints={"r": {"require": container_ref("Nowhere")}}),
        )
    found = models.items("/models/containers/byids", {"items": [node_ref("Old"), node_ref("New")]})
    assert [(one["externalId"], one["name"]) for one in found] == [("Old", "before")]


def test_lists_are_paged_in_order_of_their_keys(models: Caller) -> None:
    models.create("/models/spaces", *({"space": f"s{n}"} for n in range(4)))
    assert listed(models, "/models/spaces") == ["s0", "s1", "s2", "s3", SPACE]
    assert listed(models, "/models/spaces", includeGlobal="true")[:2] == ["cdf_cdm", "cdf_cdm_units"]
    assert listed(models, "/models/containers") == ["All", "Lists"]
    assert listed(models, "/models/containers", space="s1") == []
    models.create("/models/containers", container("Edges", {"a": {"type": "text"}}, usedFor="edge"))
    assert listed(models, "/models/containers", usedFor="edge") == ["Edges"]
    assert listed(models, "/models/containers", usedFor="edge+all") == ["All", "Edges", "Lists"]


def test_lists_show_the_newest_version_unless_all_are_asked_for(models: Caller) -> None:
    for version in ("9", "10", "8"):
        models.server.clock.advance(1)
        models.create("/models/views", view("V", {"text": mapped("All", "text")}, version=version))
    assert listed(models, "/models/views") == ["All/1", "Lists/1", "V/8"]
    assert listed(models, "/models/views", allVersions="true") == ["All/1", "Lists/1", "V/10", "V/8", "V/9"]
    versions = models.items("/models/views/byids", {"items": [node_ref("V")]})
    assert {one["version"] for one in versions} == {"8", "9", "10"}


def test_byids_and_delete_leave_out_what_is_not_there(models: Caller) -> None:
    wanted = {"items": [{**node_ref("All"), "version": "1"}, {**node_ref("All"), "version": "7"}]}
    assert [one["version"] for one in models.items("/models/views/byids", wanted)] == ["1"]
    assert models.items("/models/views/delete", wanted) == [{"space": SPACE, "externalId": "All", "version": "1"}]
    assert models.items("/models/views/delete", wanted) == []


@pytest.mark.parametrize(
    ("path", "item", "message"),
    [
        ("spaces", {"space": "s", "name": "n" * 256}, "[name size must be between 0 and 255]"),
        ("spaces", {"space": "1s"}, "space must match"),
        ("spaces", {"space": "system"}, "reserved"),
        ("spaces", {"space": 1}, "expected a string"),
        ("containers", {"space": SPACE, "externalId": "C", "properties": {}}, "properties size"),
        ("containers", container("C", {"space": {"type": "text"}}), "no identifier of a property"),
        ("containers", container("C", {"a": {"type": "colour"}}), "unknown property type"),
        (
            "containers",
            {**container("C", {"a": {"type": "text"}}), "space": "gone"},
            "One or more spaces do not exist: gone",
        ),
        ("views", view("V", {"a": mapped("Gone", "a")}), "One or more containers do not exist: 'sp:Gone'"),
        ("views", view("V", {"a": mapped("All", "gone")}), "does not have"),
        ("views", view("V", {}, implements=[view_ref("Gone")]), "One or more views do not exist: 'sp:Gone/1'"),
        ("views", view("V", {}, implements=[view_ref("V")]), "implements itself"),
        ("views", view("V", {}, filter={"hasData": [view_ref("Gone")]}), "One or more views do not exist"),
        ("views", view("V", {"a": mapped("All", "text", source=view_ref("All"))}), "no direct relation"),
        (
            "datamodels",
            {"space": SPACE, "externalId": "M", "version": "1", "views": [view_ref("Gone")]},
            "views do not exist",
        ),
        ("datamodels", {"space": "gone", "externalId": "M", "version": "1"}, "One or more spaces do not exist"),
    ],
)
def test_definitions_that_mean_nothing_are_refused(
    models: Caller, path: str, item: dict[str, Any], message: str
) -> None:
    assert message in refused(models, f"/models/{path}", item)


def test_global_definitions_are_read_only(models: Caller) -> None:
    (core,) = models.items("/models/views/byids", {"items": [{"space": "cdf_cdm", "externalId": "CogniteAsset"}]})
    assert core["isGlobal"]
    assert core["properties"]["parent"]["containerPropertyIdentifier"] == "assetHierarchy_parent"
    assert core["properties"]["name"]["container"]["externalId"] == "CogniteDescribable"
    assert core["properties"]["activities"]["targetsList"] is True
    assert "global" in refused(models, "/models/spaces", {"space": "cdf_cdm", "name": "mine"})
    with pytest.raises(AnswerError, match="global"):
        models.post("/models/containers/delete", {"items": [{"space": "cdf_cdm", "externalId": "CogniteAsset"}]})


def test_a_space_is_deleted_when_it_is_empty(models: Caller) -> None:
    with pytest.raises(AnswerError, match="not empty"):
        models.post("/models/spaces/delete", {"items": [{"space": SPACE}]})
    models.create("/models/spaces", {"space": "empty"})
    assert models.items("/models/spaces/delete", {"items": [{"space": "empty"}]}) == [{"space": "empty"}]


# -- containers ------------------------------------------------------------------------------------------------------


def test_a_container_says_what_it_enforces(models: Caller) -> None:
    (made,) = models.create(
        "/models/containers",
        container(
            "C",
            {
                "a": {"type": {"type": "text", "list": True, "maxListSize": 7, "maxTextSize": 9}, "nullable": False},
                "n": {"type": {"type": "int32"}, "defaultValue": 5, "immutable": True},
            },
            indexes={
                "i": {"properties": ["n"], "cursorable": True},
                "j": {"properties": ["a"], "indexType": "inverted"},
            },
            constraints={"u": {"properties": ["n"], "bySpace": True}, "r": {"require": container_ref("All")}},
        ),
    )
    assert made["properties"]["a"]["constraintState"] == {
        "nullability": "current",
        "maxListSize": "current",
        "maxTextSize": "current",
    }
    assert made["properties"]["a"]["type"] == {
        "type": "text",
        "list": True,
        "maxListSize": 7,
        "maxTextSize": 9,
        "collation": "ucs_basic",
    }
    assert made["properties"]["n"]["defaultValue"] == 5
    assert made["indexes"]["i"] == {
        "indexType": "btree",
        "properties": ["n"],
        "cursorable": True,
        "bySpace": False,
        "state": "current",
    }
    assert made["constraints"]["u"]["constraintType"] == "uniqueness"
    assert made["constraints"]["r"]["require"] == container_ref("All")


@pytest.mark.parametrize("change", [{"type": "int32"}, {"type": "text", "list": True}])
def test_the_type_of_a_property_stays(models: Caller, change: dict[str, Any]) -> None:
    models.create("/models/containers", container("C", {"a": {"type": "text"}}))
    assert "Cannot change the type" in refused(models, "/models/containers", container("C", {"a": change}))


def test_parts_of_containers_are_deleted_one_by_one(models: Caller) -> None:
    index = {"indexes": {"i": {"properties": ["a"]}}, "constraints": {"u": {"properties": ["a"]}}}
    models.create("/models/containers", container("C", {"a": {"type": "text"}}, **index))
    for part, name in (("indexes", "i"), ("constraints", "u")):
        named = {"space": SPACE, "containerExternalId": "C", "identifier": name}
        assert models.items(f"/models/containers/{part}/retry", {"items": [named]}) == [named]
        assert models.items(f"/models/containers/{part}/delete", {"items": [named]}) == [named]
        assert models.items(f"/models/containers/{part}/delete", {"items": [named]}) == []
    (found,) = models.items("/models/containers/byids", {"items": [node_ref("C")]})
    assert (found["indexes"], found["constraints"]) == ({}, {})


def test_a_deleted_container_takes_its_data_along(models: Caller) -> None:
    models.create("/models/containers", container("C", {"a": {"type": "text"}}))
    apply(models, node("n", (container_ref("C"), {"a": "x"}), (view_ref("All"), {"text": "y"})))
    models.post("/models/containers/delete", {"items": [node_ref("C")]})
    models.create("/models/containers", container("C", {"a": {"type": "text"}}))
    models.create("/models/views", view("V", {"a": mapped("C", "a")}))
    assert models.items("/models/instances/list", {"sources": [{"source": view_ref("V")}]}) == []
    assert properties(models, "n", view_ref("All")) == {"text": "y"}


def test_views_of_a_container_are_counted(models: Caller) -> None:
    models.create("/models/views", view("All", {"text": mapped("All", "text")}, version="2"))
    operations = {"involvedViews": {"allVersions": True}, "totalInvolvedViewCount": {}}
    (found,) = models.items(
        "/models/containers/inspect", {"items": [node_ref("All")], "inspectionOperations": operations}
    )
    results = found["inspectionResults"]
    assert [one["version"] for one in results["involvedViews"]] == ["1", "2"]
    assert results["involvedViewCount"] == 1


# -- views -----------------------------------------------------------------------------------------------------------


def test_a_view_inherits_and_overrides(models: Caller) -> None:
    models.create(
        "/models/views",
        view("Base", {"a": mapped("All", "text"), "b": mapped("All", "i32")}),
        view("Other", {"b": mapped("All", "f64"), "c": mapped("All", "to", source=view_ref("Base"))}),
        view("Child", {"a": mapped("Lists", "text")}, implements=[view_ref("Base"), view_ref("Other")]),
    )
    (child,) = models.items("/models/views/byids", {"items": [node_ref("Child")]})
    assert {name: one["container"]["externalId"] for name, one in child["properties"].items()} == {
        "a": "Lists",
        "b": "All",
        "c": "All",
    }
    assert child["properties"]["b"]["type"]["type"] == "int32"
    assert child["properties"]["c"]["type"] == {"type": "direct", "list": False, "source": view_ref("Base")}
    assert child["mappedContainers"] == [container_ref("All"), container_ref("Lists")] or child["mappedContainers"] == [
        container_ref("Lists"),
        container_ref("All"),
    ]
    own = models.get("/models/views?includeInheritedProperties=false&limit=1000")["items"]
    assert {one["externalId"]: set(one["properties"]) for one in own}["Child"] == {"a"}


def test_a_new_property_of_a_view_shows_in_its_children_and_in_old_instances(models: Caller) -> None:
    models.create("/models/views", view("Base", {"text": mapped("All", "text")}))
    models.create("/models/views", view("Child", {}, implements=[view_ref("Base")]))
    apply(models, node("n", (container_ref("All"), {"text": "t", "i32": 1})))
    assert properties(models, "n", view_ref("Child")) == {"text": "t"}
    models.create("/models/views", view("Base", {"text": mapped("All", "text"), "number": mapped("All", "i32")}))
    assert properties(models, "n", view_ref("Child")) == {"text": "t", "number": 1}


def test_connections_are_answered_whole(models: Caller) -> None:
    (made,) = models.create(
        "/models/views",
        view(
            "V",
            {
                "one": {"connectionType": "single_edge_connection", "type": node_ref("t"), "source": view_ref("All")},
                "many": {
                    "type": node_ref("t"),
                    "source": view_ref("All"),
                    "direction": "inwards",
                    "edgeSource": view_ref("All"),
                },
                "back": {
                    "connectionType": "single_reverse_direct_relation",
                    "source": view_ref("All"),
                    "through": {"source": view_ref("All"), "identifier": "to"},
                },
                "backs": {
                    "connectionType": "multi_reverse_direct_relation",
                    "source": view_ref("Lists"),
                    "through": {"source": container_ref("Lists"), "identifier": "to"},
                },
            },
        ),
    )
    found = made["properties"]
    assert found["one"] == {
        "connectionType": "single_edge_connection",
        "type": node_ref("t"),
        "source": view_ref("All"),
        "direction": "outwards",
    }
    assert found["many"]["edgeSource"] == view_ref("All")
    assert found["many"]["connectionType"] == "multi_edge_connection"
    assert (found["back"]["targetsList"], found["backs"]["targetsList"]) == (False, True)
    assert (made["queryable"], made["writable"], made["mappedContainers"]) == (False, False, [])


def test_what_a_view_is_for_follows_from_its_containers(models: Caller) -> None:
    models.create(
        "/models/containers",
        container("Node", {"a": {"type": {"type": "text"}, "nullable": False}, "b": {"type": "text"}}, usedFor="node"),
        container("Edge", {"a": {"type": "text"}}, usedFor="edge"),
    )
    made = models.create(
        "/models/views",
        view("N", {"a": mapped("Node", "a"), "t": mapped("All", "text")}),
        view("E", {"a": mapped("Edge", "a")}),
        view("P", {"b": mapped("Node", "b")}),
    )
    assert [(one["usedFor"], one["writable"]) for one in made] == [("node", True), ("edge", True), ("node", False)]


def test_property_identifiers_may_hold_dashes_and_begin_with_digits(models: Caller) -> None:
    models.create("/models/containers", container("Odd", {"1st-name": {"type": "text"}, "type": {"type": "text"}}))
    models.create("/models/views", view("Odd", {"2nd-name": mapped("Odd", "1st-name"), "type": mapped("Odd", "type")}))
    apply(models, node("n", (view_ref("Odd"), {"2nd-name": "x", "type": "y"})))
    assert properties(models, "n", view_ref("Odd")) == {"2nd-name": "x", "type": "y"}


# -- data models -----------------------------------------------------------------------------------------------------


def test_a_data_model_brings_its_views_along_and_shows_them_inline(models: Caller) -> None:
    model = {
        "space": SPACE,
        "externalId": "M",
        "version": "1",
        "views": [view("V", {"text": mapped("All", "text")}), view_ref("All")],
    }
    (made,) = models.create("/models/datamodels", model)
    assert made["views"] == [view_ref("V"), view_ref("All")]
    (inline,) = models.get("/models/datamodels?inlineViews=true")["items"]
    assert [set(one["properties"]) for one in inline["views"]] == [{"text"}, set(EVERY_TYPE)]
    (found,) = models.items("/models/datamodels/byids?inlineViews=true", {"items": [node_ref("M")]})
    assert found == inline


def test_a_data_model_that_is_refused_leaves_no_views_behind(models: Caller) -> None:
    brought = view("V", {"text": mapped("All", "text")})
    for wrong in ({"space": "gone"}, {"views": [brought, view_ref("Gone")]}):
        item = {"space": SPACE, "externalId": "M", "version": "1", "views": [brought], **wrong}
        assert "do not exist" in refused(models, "/models/datamodels", item)
    assert models.items("/models/views/byids", {"items": [node_ref("V")]}) == []
