# SPDX-License-Identifier: Apache-2.0
"""Revision trees: the same whatever the order in which their branches come together."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.revisions import (
    Revision,
    RevisionTree,
    order_of,
    parse_rev,
    path_of,
    position_of,
)


@dataclass(frozen=True)
class Node:
    path: tuple[str, ...]
    deleted: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Node]:
    """All revisions of one document, each with its path."""
    root = Node((f"1-{draw(st.integers(0, 3)):032x}",), draw(st.booleans()))
    nodes = [root]
    for number in range(draw(st.integers(0, 12))):
        parent = draw(st.sampled_from(nodes))
        name = f"{position_of(parent.path[0]) + 1}-{number * 7919 % 251:02x}{number:030x}"
        nodes.append(Node((name, *parent.path), draw(st.booleans())))
    return nodes


def merged(nodes: list[Node]) -> RevisionTree:
    tree = RevisionTree()
    for node in nodes:
        tree.merge(Revision(node.path[0], deleted=node.deleted, fields=b""), node.path)
    return tree


@given(histories(), st.randoms(use_true_random=False))
def test_branches_in_any_order_make_the_same_tree(history: list[Node], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parents = {rev for node in history for rev in node.path[1:]}
    leaves = [node for node in history if node.path[0] not in parents]
    # A replicator brings leaves only; their ancestors come as names.
    brought = merged([node for node in shuffled if node in leaves])
    expected = sorted(leaves, key=lambda node: (not node.deleted, order_of(node.path[0])), reverse=True)
    for tree in (brought, merged(shuffled)):
        assert [leaf.rev for leaf in tree.leaves] == [node.path[0] for node in expected]
        assert tree.winner.deleted == all(node.deleted for node in leaves)
        assert {leaf.rev: tree.path(leaf.rev) for leaf in tree.leaves} == {n.path[0]: list(n.path) for n in leaves}


@given(histories(), st.randoms(use_true_random=False))
def test_merging_twice_changes_nothing(history: list[Node], random: object) -> None:
    tree = merged(history)
    before = [(leaf.rev, leaf.deleted) for leaf in tree.leaves], set(tree.revisions)
    for node in history:
        assert tree.merge(Revision(node.path[0], deleted=not node.deleted, fields=b"x"), node.path) == "internal_node"
    assert ([(leaf.rev, leaf.deleted) for leaf in tree.leaves], set(tree.revisions)) == before


@given(histories(), st.integers(1, 4))
def test_stemming_keeps_the_leaves_and_as_much_history_as_asked_for(history: list[Node], limit: int) -> None:
    tree = merged(history)
    before = {leaf.rev: tree.path(leaf.rev) for leaf in tree.leaves}
    tree.stem(limit)
    assert {leaf.rev for leaf in tree.leaves} == set(before)
    for rev, path in before.items():
        kept = tree.path(rev)
        assert kept == path[: len(kept)]
        assert len(kept) >= min(limit, len(path))


@given(histories(), st.data())
def test_a_purged_leaf_is_as_if_it_had_never_been(history: list[Node], data: st.DataObject) -> None:
    leaves = [leaf.rev for leaf in merged(history).leaves]
    gone = data.draw(st.sampled_from(leaves))
    tree = merged(history)
    assert tree.remove_leaf(gone)
    assert not tree.remove_leaf(gone)
    left = merged([node for node in history if any(node.path[0] in tree.path(rev) for rev in leaves if rev != gone)])
    assert [leaf.rev for leaf in tree.leaves] == [leaf.rev for leaf in left.leaves]
    assert set(tree.revisions) == set(left.revisions)


def test_what_a_merge_did() -> None:
    tree = RevisionTree()
    assert tree.merge(Revision("1-a"), ["1-a"]) == "new_leaf"
    assert tree.merge(Revision("2-b"), ["2-b", "1-a"]) == "new_leaf"
    assert tree.merge(Revision("2-c"), ["2-c", "1-a"]) == "new_branch"
    assert tree.merge(Revision("1-a"), ["1-a"]) == "internal_node"
    assert [leaf.rev for leaf in tree.by_name()] == ["2-b", "2-c"]
    assert [leaf.rev for leaf in tree.descendants("1-a")] == ["2-c", "2-b"]
    assert tree.leaf("1-a") is None


def test_names_of_revisions() -> None:
    assert parse_rev("2-" + "AB" * 16) == "2-" + "ab" * 16
    assert parse_rev("2-ABC") == "2-ABC"
    assert path_of(2, ["ABC", "AB" * 16]) == ["2-ABC", "1-" + "ab" * 16]
    assert sorted(["10-a", "9-b", "2-zz"], key=order_of) == ["2-zz", "9-b", "10-a"]
    for text in ("", "a", "1", "x-a", "-1-a", 3, None):
        with pytest.raises(CouchError, match="Invalid rev format"):
            parse_rev(text)
