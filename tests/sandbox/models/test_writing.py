# SPDX-License-Identifier: Apache-2.0
"""`POST /models/instances` and `/delete`: transactions, versions, merging and replacing, references, constraints."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models.modelling import (
    SPACE,
    apply,
    container,
    container_ref,
    edge,
    key,
    mapped,
    node,
    node_ref,
    properties,
    read,
    view,
    view_ref,
)

ALL = view_ref("All")


def refusal(cdf: Caller, *items: dict[str, Any], **options: Any) -> tuple[int, str]:
    with pytest.raises(AnswerError) as caught:
        apply(cdf, *items, **options)
    return caught.value.status, str(caught.value.error["message"])


def nodes(cdf: Caller, kind: str = "node") -> set[str]:
    return {one["externalId"] for one in cdf.items("/models/instances/list", {"instanceType": kind})}


# -- versions --------------------------------------------------------------------------------------------------------


def test_a_write_that_changes_nothing_is_no_version(models: Caller) -> None:
    (first,) = apply(models, node("n", (ALL, {"text": "a", "json": {"a": 1, "b": 2}})))
    assert (first["version"], first["wasModified"]) == (1, True)
    models.server.clock.advance(1000)
    (again,) = apply(models, node("n", (ALL, {"text": "a", "json": {"b": 2, "a": 1}})))
    assert again == {**first, "wasModified": False}
    (changed,) = apply(models, node("n", (ALL, {"text": "b"})))
    assert (changed["version"], changed["wasModified"], changed["createdTime"]) == (2, True, first["createdTime"])
    assert changed["lastUpdatedTime"] > first["lastUpdatedTime"]


@pytest.mark.parametrize("value", [{"a": True}, {"a": 1.0}, {"a": "1"}, {"a": [1]}])
def test_json_of_another_type_is_a_change(models: Caller, value: Any) -> None:
    apply(models, node("n", (ALL, {"json": {"a": 1}})))
    assert apply(models, node("n", (ALL, {"json": value})))[0]["wasModified"]


def test_an_older_existing_version_is_a_conflict(models: Caller) -> None:
    apply(models, node("n", (ALL, {"text": "a"})))
    apply(models, node("n", (ALL, {"text": "b"}), existingVersion=1))
    status, message = refusal(models, node("m"), node("n", (ALL, {"text": "c"}), existingVersion=1))
    assert (status, message) == (409, "A version conflict caused the ingest to fail.")
    assert read(models, "m") is None
    made, skipped = apply(
        models, node("m"), node("n", (ALL, {"text": "c"}), existingVersion=1), skipOnVersionConflict=True
    )
    assert (made["wasModified"], skipped["wasModified"], skipped["version"]) == (True, False, 2)
    assert properties(models, "n", ALL) == {"text": "b"}
    assert refusal(models, node("n", existingVersion=0))[0] == 409


def test_an_update_through_one_view_leaves_the_rest(models: Caller) -> None:
    apply(models, node("n", (ALL, {"text": "a", "i32": 1}), (view_ref("Lists"), {"i32": [1, 2]})))
    apply(models, node("n", (ALL, {"i32": 2, "f64": 1})))
    assert properties(models, "n", ALL) == {"text": "a", "i32": 2, "f64": 1.0}
    apply(models, node("n", (ALL, {"text": None})))
    assert properties(models, "n", ALL) == {"i32": 2, "f64": 1.0}
    assert properties(models, "n", view_ref("Lists")) == {"i32": [1, 2]}


def test_replace_takes_away_what_is_not_given_in_the_containers_of_the_view(models: Caller) -> None:
    models.create("/models/views", view("Part", {"text": mapped("All", "text")}))
    apply(models, node("n", (ALL, {"text": "a", "i32": 1}), (view_ref("Lists"), {"i32": [1]}), type=node_ref("t")))
    apply(models, node("n", (view_ref("Part"), {"text": "b"})), replace=True)
    assert properties(models, "n", ALL) == {"text": "b"}
    assert properties(models, "n", view_ref("Lists")) == {"i32": [1]}
    found = read(models, "n")
    assert found is not None
    assert "type" not in found


def test_a_node_keeps_its_type_unless_another_is_given(models: Caller) -> None:
    apply(models, node("n", type=node_ref("t")))
    assert not apply(models, node("n"))[0]["wasModified"]
    assert apply(models, node("n", type=node_ref("u")))[0]["version"] == 2
    found = read(models, "n")
    assert found is not None
    assert found["type"] == node_ref("u")


# -- transactions ----------------------------------------------------------------------------------------------------


def test_a_request_is_one_transaction(models: Caller) -> None:
    apply(models, node("old"))
    before = nodes(models)
    bad = node("bad", (ALL, {"i32": "one"}))
    status, message = refusal(models, node("new"), bad, delete=[key("old")])
    assert status == 400
    assert "items[1]" in message
    assert "i32" in message
    assert nodes(models) == before


def test_writes_and_deletes_in_one_request(models: Caller) -> None:
    apply(models, node("a"), node("b"), edge("e", "a", "b"))
    answer = models.post("/models/instances", {"items": [node("c")], "delete": [key("a"), key("gone")]})
    assert [one["externalId"] for one in answer["items"]] == ["c"]
    assert answer["deleted"] == [key("a")]
    assert nodes(models) == {"b", "c", "link"}
    assert nodes(models, "edge") == set()
    assert refusal(models, node("b"), delete=[key("b")])[0] == 400
    assert refusal(models, edge("f", "b", "c"), delete=[key("c")])[0] == 400


def test_at_most_a_thousand_instances_are_written(models: Caller) -> None:
    assert len(apply(models, *(node(f"n{n}") for n in range(1000)))) == 1000
    assert refusal(models, *(node(f"n{n}") for n in range(1001)))[0] == 400
    assert refusal(models, *(node(f"n{n}") for n in range(999)), delete=[key("a"), key("b")])[0] == 400
    assert refusal(models)[0] == 400


def test_an_instance_is_written_once_in_a_request(models: Caller) -> None:
    assert "more than once" in refusal(models, node("n"), node("n"))[1]
    apply(models, node("n"), node("m"), edge("n", "n", "m"))
    assert nodes(models, "edge") == {"n"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (node("n", space="gone"), "One or more spaces do not exist: gone"),
        (node("n", space="cdf_cdm"), "global"),
        (node(""), "size must be between 1 and 256"),
        (node("n" * 257), "size must be between 1 and 256"),
        (node("n\0"), "size must be between 1 and 256"),
        ({**node("n"), "instanceType": "thing"}, "instanceType"),
        (node("n", (view_ref("Gone"), {})), "One or more views do not exist: 'sp:Gone/1'"),
        (node("n", (container_ref("Gone"), {})), "One or more containers do not exist: 'sp:Gone'"),
        (node("n", (ALL, {"invalidProperty": 1})), "invalidProperty"),
        (node("n", (ALL, {"to": {"space": "gone", "externalId": "x"}})), "One or more spaces do not exist: gone"),
        (node("n", ({"type": "table"}, {})), "source.type"),
        (edge("e", "a", "b"), "Start node does not exist"),
    ],
)
def test_instances_that_mean_nothing_are_refused(models: Caller, item: dict[str, Any], message: str) -> None:
    status, found = refusal(models, item)
    assert (status, message in found) == (400, True), found


# -- references ------------------------------------------------------------------------------------------------------


def test_targets_of_direct_relations_are_made_unless_forbidden(models: Caller) -> None:
    wanted = node("n", (ALL, {"to": node_ref("target")}), (view_ref("Lists"), {"to": [node_ref("x"), node_ref("n")]}))
    status, message = refusal(models, wanted, autoCreateDirectRelations=False)
    assert (status, message) == (400, "Direct relation target does not exist: 'sp:target'")
    answers = apply(models, wanted)
    assert [one["externalId"] for one in answers] == ["n"]
    assert nodes(models) == {"n", "target", "x"}


def test_ends_of_edges_are_made_when_allowed(models: Caller) -> None:
    item = edge("e", "a", "b")
    assert "Start node" in refusal(models, item, autoCreateEndNodes=True)[1]
    assert "End node" in refusal(models, item, autoCreateStartNodes=True)[1]
    apply(models, item, autoCreateStartNodes=True, autoCreateEndNodes=True)
    assert nodes(models) == {"a", "b", "link"}
    assert (
        "Type does not exist"
        in refusal(models, edge("f", "a", "b", type=node_ref("other")), autoCreateDirectRelations=False)[1]
    )


def test_a_direct_relation_may_ask_for_data_in_a_container(models: Caller) -> None:
    strict = {"to": {"type": "direct", "container": container_ref("All")}}
    models.create("/models/containers", container("Strict", strict))
    pointing = node("n", (container_ref("Strict"), {"to": node_ref("m")}))
    assert "does not exist" in refusal(models, pointing)[1]
    apply(models, node("m"))
    assert "has no data in container 'sp:All'" in refusal(models, pointing)[1]
    apply(models, pointing, node("m", (ALL, {"text": "x"})))
    assert refusal(models, node("o", (container_ref("Strict"), {"to": node_ref("p")})), node("p"))[0] == 400


def test_a_deleted_node_takes_its_edges_along(models: Caller) -> None:
    apply(models, node("a"), node("b"), node("c"), edge("ab", "a", "b"), edge("bc", "b", "c"), edge("ca", "c", "a"))
    apply(models, edge("ca", "c", "b"))
    gone = models.items("/models/instances/delete", {"items": [key("a"), key("gone"), key("a")]})
    assert gone == [key("a")]
    assert nodes(models, "edge") == {"bc", "ca"}
    assert models.items("/models/instances/delete", {"items": [key("ca", "edge")]}) == [key("ca", "edge")]
    with pytest.raises(AnswerError, match="spaces do not exist"):
        models.post("/models/instances/delete", {"items": [{**key("a"), "space": "gone"}]})


def test_deletes_mind_versions(models: Caller) -> None:
    apply(models, node("n", (ALL, {"text": "a"})))
    apply(models, node("n", (ALL, {"text": "b"})))
    with pytest.raises(AnswerError) as caught:
        models.post("/models/instances/delete", {"items": [{**key("n"), "existingVersion": 1}]})
    assert caught.value.status == 409
    answer = models.post(
        "/models/instances",
        {"items": [], "delete": [{**key("n"), "existingVersion": 1}], "skipOnVersionConflict": True},
    )
    assert answer == {"items": [], "deleted": []}


# -- constraints -----------------------------------------------------------------------------------------------------


def test_required_defaults_and_immutable_properties(models: Caller) -> None:
    text = {"type": {"type": "text"}}
    models.create(
        "/models/containers",
        container(
            "C",
            {
                "must": {**text, "nullable": False},
                "fixed": {**text, "immutable": True},
                "usual": {**text, "defaultValue": "u"},
                "number": {"type": {"type": "int64"}, "autoIncrement": True},
            },
        ),
    )
    source = container_ref("C")
    models.create(
        "/models/views", view("C", {name: mapped("C", name) for name in ("must", "fixed", "usual", "number")})
    )
    assert "Property 'must' of container 'sp:C' is required" in refusal(models, node("n", (source, {"fixed": "f"})))[1]
    assert "cannot be null" in refusal(models, node("n", (source, {"must": None})))[1]
    apply(models, node("n", (source, {"must": "m", "fixed": "f"})), node("o", (source, {"must": "m", "usual": None})))
    assert properties(models, "n", view_ref("C")) == {"must": "m", "fixed": "f", "usual": "u", "number": 1}
    assert properties(models, "o", view_ref("C")) == {"must": "m", "number": 2}
    assert "is immutable" in refusal(models, node("n", (source, {"fixed": "g"})))[1]
    assert apply(models, node("n", (source, {"fixed": "f", "must": "x"})), node("o", (source, {"fixed": "o"})))
    apply(models, node("n", (source, {"must": "r", "fixed": "f", "number": 40})), replace=True)
    assert properties(models, "n", view_ref("C"))["usual"] == "u"


def test_values_are_unique_where_a_constraint_says_so(models: Caller) -> None:
    models.create("/models/spaces", {"space": "other"})
    models.create(
        "/models/containers",
        container("Everywhere", {"a": {"type": "text"}}, constraints={"u": {"properties": ["a"]}}),
        container("BySpace", {"a": {"type": "text"}}, constraints={"u": {"properties": ["a"], "bySpace": True}}),
    )
    everywhere, by_space = container_ref("Everywhere"), container_ref("BySpace")
    apply(models, node("n", (everywhere, {"a": "x"}), (by_space, {"a": "x"})))
    apply(models, node("n", (everywhere, {"a": "x"})), node("m", (everywhere, {})), node("l", (everywhere, {})))
    assert refusal(models, node("m", (everywhere, {"a": "x"})))[0] == 409
    assert refusal(models, node("m", (everywhere, {"a": "x"}), space="other"))[0] == 409
    apply(models, node("m", (by_space, {"a": "x"}), space="other"))
    assert refusal(models, node("p", (everywhere, {"a": "y"})), node("q", (everywhere, {"a": "y"})))[0] == 409
    apply(models, node("n", (everywhere, {"a": "y"})), node("m", (everywhere, {"a": "x"})))
    models.post("/models/instances/delete", {"items": [key("m")]})
    apply(models, node("p", (everywhere, {"a": "x"})))


def test_a_container_may_require_another(models: Caller) -> None:
    models.create(
        "/models/containers",
        container("C", {"a": {"type": "text"}}, constraints={"r": {"require": container_ref("All")}}),
    )
    assert "requires data in container 'sp:All'" in refusal(models, node("n", (container_ref("C"), {"a": "x"})))[1]
    apply(models, node("n", (container_ref("C"), {"a": "x"}), (ALL, {"text": "y"})))


def test_containers_are_for_nodes_or_edges(models: Caller) -> None:
    models.create(
        "/models/containers",
        container("N", {"a": {"type": "text"}}),
        container("E", {"a": {"type": "text"}}, usedFor="edge"),
    )
    apply(models, node("a", (container_ref("N"), {"a": "x"})))
    apply(models, edge("e", "a", "a", (container_ref("E"), {"a": "x"}), (ALL, {"text": "y"})))
    assert properties(models, "e", ALL, kind="edge") == {"text": "y"}
    assert "is not for nodes" in refusal(models, node("b", (container_ref("E"), {"a": "x"})))[1]
    assert "is not for edges" in refusal(models, edge("f", "a", "a", (container_ref("N"), {"a": "x"})))[1]


def test_a_write_through_a_view_is_data_in_all_its_containers(models: Caller) -> None:
    models.create("/models/views", view("Both", {"text": mapped("All", "text"), "texts": mapped("Lists", "text")}))
    apply(models, node("n", (view_ref("Both"), {"text": "a"})), node("m", (ALL, {"text": "b"})))
    listed = models.items("/models/instances/list", {"sources": [{"source": view_ref("Both")}]})
    assert [one["externalId"] for one in listed] == ["n"]
    assert listed[0]["properties"] == {SPACE: {"Both/1": {"text": "a"}}}
