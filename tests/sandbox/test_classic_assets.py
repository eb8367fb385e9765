# SPDX-License-Identifier: Apache-2.0
"""The asset tree: parents and roots, what cannot move, subtrees and what is aggregated over them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller, names


@pytest.fixture
def tree(cdf: Caller) -> Caller:
    """r ─ a ─ b ─ c, r ─ d, and a second root s ─ t; created in one request, children first."""
    cdf.create(
        "/assets",
        *(
            {"name": name, "externalId": name, "parentExternalId": parent}
            for name, parent in ("cb", "ba", "ar", "dr", "ts")
        ),
        {"name": "r", "externalId": "r"},
        {"name": "s", "externalId": "s"},
    )
    return cdf


def get(cdf: Caller, name: str, **more: Any) -> dict[str, Any]:
    return cdf.items("/assets/byids", {"items": [{"externalId": name}], **more})[0]


def test_roots_and_parents_are_filled_in(tree: Caller) -> None:
    root, a, c = get(tree, "r"), get(tree, "a"), get(tree, "c")
    assert root["rootId"] == root["id"]
    assert "parentId" not in root
    assert (a["parentId"], a["rootId"], a["parentExternalId"]) == (root["id"], root["id"], "r")
    assert (c["parentId"], c["rootId"]) == (get(tree, "b")["id"], root["id"])


def test_a_parent_by_id(tree: Caller) -> None:
    (made,) = tree.create("/assets", {"name": "x", "parentId": get(tree, "c")["id"]})
    assert made["parentExternalId"] == "c"
    assert made["rootId"] == get(tree, "r")["id"]


@pytest.mark.parametrize(
    ("parent", "missing"),
    [({"parentId": 5}, [{"id": 5}]), ({"parentExternalId": "none"}, [{"externalId": "none"}])],
)
def test_unknown_parents(tree: Caller, parent: dict[str, Any], missing: list[Any]) -> None:
    with pytest.raises(AnswerError) as caught:
        tree.create("/assets", {"name": "x", **parent})
    assert caught.value.status == 400
    assert caught.value.error["missing"] == missing


def test_cycles_and_two_parents_are_refused(tree: Caller) -> None:
    one = {"name": "1", "externalId": "1", "parentExternalId": "2"}
    two = {"name": "2", "externalId": "2", "parentExternalId": "1"}
    for items in ([one, two], [{"name": "1", "externalId": "1", "parentExternalId": "1"}]):
        with pytest.raises(AnswerError, match="cycle"):
            tree.create("/assets", *items)
    with pytest.raises(AnswerError, match="both"):
        tree.create("/assets", {"name": "x", "parentExternalId": "a", "parentId": get(tree, "a")["id"]})
    assert len(tree.all("/assets")) == 7


def test_moving_within_and_between_trees(tree: Caller) -> None:
    moved = tree.update("/assets", {"externalId": "b"}, {"parentExternalId": {"set": "d"}})
    assert (moved["parentId"], moved["parentExternalId"]) == (get(tree, "d")["id"], "d")
    moved = tree.update("/assets", {"externalId": "b"}, {"parentId": {"set": get(tree, "t")["id"]}})
    assert moved["rootId"] == get(tree, "s")["id"]
    assert get(tree, "c")["rootId"] == get(tree, "s")["id"]
    below = {"assetSubtreeIds": [{"externalId": "s"}]}
    assert sorted(names(tree.all("/assets", filter=below))) == ["b", "c", "s", "t"]
    assert get(tree, "d", aggregatedProperties=["childCount"])["aggregates"] == {"childCount": 0}


@pytest.mark.parametrize(
    ("name", "update", "message"),
    [
        ("r", {"parentExternalId": {"set": "s"}}, "root asset"),
        ("a", {"parentExternalId": {"set": "c"}}, "below itself"),
        ("a", {"parentExternalId": {"set": "a"}}, "below itself"),
        ("a", {"parentExternalId": {"set": "none"}}, "unknown parent"),
        ("a", {"parentId": {"set": 5}}, "unknown parent"),
        ("a", {"parentId": {"setNull": True}}, "only set|cannot be removed"),
    ],
)
def test_moves_that_are_refused(tree: Caller, name: str, update: dict[str, Any], message: str) -> None:
    before = tree.all("/assets")
    with pytest.raises(AnswerError, match=message) as caught:
        tree.update("/assets", {"externalId": name}, update)
    assert caught.value.status == 400
    assert tree.all("/assets") == before


def test_two_moves_in_one_request_may_not_make_a_cycle(tree: Caller) -> None:
    swap = [
        {"externalId": "a", "update": {"parentExternalId": {"set": "d"}}},
        {"externalId": "d", "update": {"parentExternalId": {"set": "a"}}},
    ]
    with pytest.raises(AnswerError, match="below itself"):
        tree.post("/assets/update", {"items": swap})
    # Not even for the first of them, which only ends up below it.
    swap.insert(0, {"externalId": "t", "update": {"parentExternalId": {"set": "a"}}})
    with pytest.raises(AnswerError, match="below itself"):
        tree.post("/assets/update", {"items": swap})


def test_a_renamed_parent_is_seen_in_its_children_which_are_not_updated(tree: Caller) -> None:
    before = get(tree, "b")
    tree.update("/assets", {"externalId": "a"}, {"externalId": {"set": "a2"}})
    assert get(tree, "b") == {**before, "parentExternalId": "a2"}
    assert names(tree.all("/assets", filter={"parentExternalIds": ["a2"]})) == ["b"]


def test_deleting_parents(tree: Caller) -> None:
    with pytest.raises(AnswerError, match="children") as caught:
        tree.post("/assets/delete", {"items": [{"externalId": "a"}]})
    assert caught.value.status == 400
    tree.post("/assets/delete", {"items": [{"externalId": name} for name in "bc"]})
    tree.post("/assets/delete", {"items": [{"externalId": "r"}], "recursive": True})
    assert names(tree.all("/assets")) == ["t", "s"]


def test_aggregated_properties(tree: Caller) -> None:
    path = [{"id": get(tree, name)["id"]} for name in "rab"]
    wanted = ["childCount", "path", "depth"]
    assert get(tree, "b", aggregatedProperties=wanted)["aggregates"] == {"childCount": 1, "path": path, "depth": 2}
    listed = tree.all("/assets", aggregatedProperties=["depth"], filter={"parentIds": [path[0]["id"]]})
    assert [asset["aggregates"] for asset in listed] == [{"depth": 1}, {"depth": 1}]
    assert "aggregates" not in get(tree, "b")
    with pytest.raises(AnswerError):
        get(tree, "b", aggregatedProperties=["width"])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"root": True}, "rs"),
        ({"root": False}, "abcdt"),
        ({"rootIds": [{"externalId": "s"}]}, "st"),
        ({"assetSubtreeIds": [{"externalId": "a"}, {"externalId": "s"}]}, "abcst"),
        ({"assetSubtreeIds": [{"externalId": "none"}]}, ""),
        ({"assetSubtreeIds": [{"id": 3}]}, ""),
        ({"parentExternalIds": ["r", "b"]}, "acd"),
        ({"name": "c"}, "c"),
    ],
)
def test_filters_on_the_tree(tree: Caller, condition: dict[str, Any], expected: str) -> None:
    assert "".join(sorted(names(tree.all("/assets", filter=condition, limit=2)))) == expected


def test_what_hangs_on_a_subtree(tree: Caller) -> None:
    for path, reference in (("/timeseries", "assetId"), ("/events", "assetIds"), ("/sequences", "assetId")):
        more = {"columns": [{"externalId": "c"}]} if path == "/sequences" else {}
        for name in "cdt":
            number = get(tree, name)["id"]
            value = [number] if reference == "assetIds" else number
            tree.create(path, {"externalId": name, reference: value, **more})
        tree.create(path, {"externalId": "free", **more})
        assert names(tree.all(path, filter={"assetSubtreeIds": [{"externalId": "r"}]})) == ["c", "d"]
        assert names(tree.all(path, filter={"assetIds": [get(tree, "t")["id"]]})) == ["t"]


def test_a_large_random_tree_in_any_order(cdf: Caller) -> None:
    """A thousand assets in one request, shuffled: every path ends at the root it says."""
    chance = random.Random(7)
    parents = {n: chance.randrange(n) for n in range(1, 1000)}
    items = [{"name": str(n), "externalId": str(n), "parentExternalId": str(parents[n])} for n in parents]
    items.append({"name": "0", "externalId": "0"})
    chance.shuffle(items)
    made = {int(asset["externalId"]): asset for asset in cdf.create("/assets", *items)}
    assert {asset["rootId"] for asset in made.values()} == {made[0]["id"]}
    assert all(made[n]["parentId"] == made[parent]["id"] for n, parent in parents.items())
