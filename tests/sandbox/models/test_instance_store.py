# SPDX-License-Identifier: Apache-2.0
"""The store of nodes and edges by itself: rows, changes, tombstones; and statistics and limits, which count what it holds."""

from __future__ import annotations

import random

import pytest

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.limits import Limiter
from airflow_provider_replicator.sandbox.cdf.models.instance_store import RETENTION_MS, InstanceStore
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.caller import Caller
from tests.sandbox.models.modelling import apply, edge, key, node


@pytest.fixture
def clock() -> Clock:
    return Clock(at=10 * RETENTION_MS)


@pytest.fixture
def store(clock: Clock) -> InstanceStore:
    return InstanceStore(clock)


def changed(store: InstanceStore, after: int = 0, limit: int = 1000) -> list[tuple[str, bool]]:
    """(externalId, is it a tombstone) of the changes after a number."""
    return [(one.external_id, one.deleted is not None) for one in store.changes(None, after, limit)[0]]


def test_an_instance_is_in_the_changes_once_at_its_latest(store: InstanceStore) -> None:
    a, _ = (store.create("node", "s", name, time=1) for name in "ab")
    seen = store.last_seq
    store.update(a, time=2, of_type=("s", "t"), start=None, end=None, data={("s", "C"): b'{"x":1}'})
    assert (a.version, a.updated, a.created) == (2, 2, 1)
    assert changed(store) == [("b", False), ("a", False)]
    assert changed(store, seen) == [("a", False)]


def test_a_tombstone_and_what_was_made_again_are_two(store: InstanceStore, clock: Clock) -> None:
    first = store.create("node", "s", "a", time=1, data={("s", "C"): b"{}"})
    store.delete([first], time=clock.now_ms())
    second = store.create("node", "s", "a", time=3)
    assert changed(store) == [("a", True), ("a", False)]
    assert (second.row, second.version) == (1, 1)
    assert first.data
    assert store.find("node", "s", "a") is second
    assert store.page(None, 0, 10) == ([second], None)


def test_tombstones_are_kept_for_three_days(store: InstanceStore, clock: Clock) -> None:
    store.delete([store.create("node", "s", "a", time=1)], time=clock.now_ms())
    clock.advance(RETENTION_MS)
    assert changed(store) == [("a", True)]
    clock.advance(1)
    assert changed(store) == []
    assert store.soft_deleted["node", "s"] == 0


def test_edges_go_with_their_nodes_and_follow_their_ends(store: InstanceStore, clock: Clock) -> None:
    a, b, c = (store.create("node", "s", name, time=1) for name in "abc")
    loop = store.create("edge", "s", "loop", time=1, start=a.reference, end=a.reference)
    moved = store.create("edge", "s", "moved", time=1, start=a.reference, end=b.reference)
    store.update(moved, time=2, of_type=None, start=b.reference, end=c.reference, data={})
    assert store.edges_of(a.reference) == [loop]
    assert store.edges_of(c.reference) == [moved]
    assert store.delete([a], time=clock.now_ms()) == [a, loop]
    assert store.delete([b, moved], time=clock.now_ms()) == [b, moved]
    assert store.edges_of(c.reference) == []


def test_pages_of_changes_are_the_changes(store: InstanceStore, clock: Clock) -> None:
    chance = random.Random(7)
    for step in range(300):
        live = list(store.by_key.values())
        if live and chance.random() < 0.6:
            one = chance.choice(live)
            if chance.random() < 0.3:
                store.delete([one], time=clock.now_ms())
            else:
                store.update(one, time=step, of_type=None, start=None, end=None, data={("s", "C"): b"{}"})
        else:
            store.create("node", "s", f"n{chance.randrange(30)}-{step}", time=step)
    whole = [one.seq for one in store.changes(None, 0, 10_000)[0]]
    assert whole == sorted(set(whole))
    for limit in (1, 7, 100):
        found: list[int] = []
        position = 0
        while True:
            page, position = store.changes(lambda one: one.seq % 2 == 0, position, limit)
            found += [one.seq for one in page]
            if len(page) < limit:
                break
        assert found == [seq for seq in whole if seq % 2 == 0]
        assert position == store.last_seq


def test_a_dropped_property_is_gone(store: InstanceStore) -> None:
    one = store.create("node", "s", "a", time=1, data={("s", "C"): b'{"x":1,"y":2}', ("s", "D"): b"{}"})
    store.drop_container(("s", "C"), ["x"])
    assert one.properties(("s", "C")) == {"y": 2}
    store.drop_container(("s", "C"))
    assert one.properties(("s", "C")) == {}
    assert list(one.data) == [("s", "D")]
    assert one.version == 1


def test_statistics_count_what_there_is(models: Caller) -> None:
    models.create("/models/spaces", {"space": "empty"})
    apply(models, node("a"), node("b"), edge("e", "a", "b"))
    models.post("/models/instances/delete", {"items": [key("a")]})
    project = models.get("/models/statistics")
    assert project["spaces"] == {"count": 2, "limit": 100}
    assert project["containers"]["count"] == 2
    assert project["containerProperties"]["count"] == 27
    assert project["instances"] == {
        "edges": 0,
        "softDeletedEdges": 1,
        "nodes": 2,
        "softDeletedNodes": 1,
        "instances": 2,
        "instancesLimit": 5_000_000,
        "softDeletedInstances": 2,
        "softDeletedInstancesLimit": 10_000_000,
    }
    assert (project["concurrentReadLimit"], project["concurrentWriteLimit"], project["concurrentDeleteLimit"]) == (
        8,
        4,
        2,
    )
    used, empty = models.get("/models/statistics/spaces")["items"]
    assert (empty["space"], used["space"]) == ("empty", "sp")
    assert (used["nodes"], used["softDeletedEdges"], used["views"]) == (2, 1, 2)
    wanted = {"items": [{"space": "empty"}, {"space": "gone"}]}
    assert models.items("/models/statistics/spaces/byids", wanted) == [empty]
    models.server.clock.advance(RETENTION_MS + 10)
    assert models.get("/models/statistics")["instances"]["softDeletedInstances"] == 0


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("", 4),
        ("/delete", 2),
        ("/list", 8),
        ("/byids", 8),
        ("/query", 8),
        ("/sync", 8),
        ("/aggregate", 8),
        ("/search", 8),
    ],
)
def test_a_project_has_so_many_requests_at_a_time(clock: Clock, path: str, most: int) -> None:
    limiter = Limiter(clock, Settings(rate_limits=True))
    gates = [limiter.enter("source", f"user {n}", "POST", f"/models/instances{path}") for n in range(most)]
    with pytest.raises(ApiError, match=f"maximum number='{most}' of concurrent requests") as caught:
        limiter.enter("source", "another", "POST", f"/models/instances{path}")
    assert caught.value.status == 429
    assert limiter.enter("source", "another", "POST", "/models/views") == []
    limiter.leave(gates[0])
    limiter.enter("source", "another", "POST", f"/models/instances{path}")
