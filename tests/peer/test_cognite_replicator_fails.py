# SPDX-License-Identifier: Apache-2.0
"""Where cognite-replicator 1.3.2 fails or loses data, it does so against the sandbox exactly as ``reference/cognite-replicator.md``
says: the faults are the peer's, and what is reported of it (and what its users migrate from) is so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.projects import Pair
from tests.peer.copies import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Project
    from tests.peer.running import Outcome, Peer

Doc = dict[str, Any]
DAY = 86_400_000
COLUMNS = [{"externalId": "c", "valueType": "DOUBLE"}]


def raised(outcome: Outcome) -> tuple[str, int | None]:
    assert outcome.raised is not None
    return outcome.raised["type"], outcome.raised["code"]


# -- broken outright


@pytest.mark.parametrize(
    ("module", "path", "fields"),
    [
        ("events", "/events", {}),
        ("files", "/files", {"name": "f"}),
        ("sequences", "/sequences", {"columns": COLUMNS, "linked": True}),
    ],
)
def test_updates_send_a_list_for_the_data_set(
    pair: Pair, peer: Peer, edited_later: Callable[[], None], module: str, path: str, fields: Doc
) -> None:
    (asset,) = pair.source.create("/assets", {"externalId": "a", "name": "a"})
    peer.done(pair, "assets")
    item = {"externalId": "x", **fields}
    if item.pop("linked", False):  # without an asset, sequences fail even earlier
        item["assetId"] = asset["id"]
    pair.source.call("POST", path, item if path == "/files" else {"items": [item]})
    peer.done(pair, module)
    edited_later()
    pair.source.update(path, pair.source.by_key(path)["x"], metadata={"set": {"k": "v"}})
    outcome = peer.call(pair, module)
    assert raised(outcome) == ("CogniteAPIError", 400)
    assert outcome.by_endpoint[f"{pair.target.name} POST {path}/update"] == 1
    assert "k" not in pair.target.by_key(path)["x"]["metadata"]


def test_relationships_a_second_time(pair: Pair, peer: Peer) -> None:
    ends = {"sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "asset"}
    pair.source.create("/relationships", {"externalId": "r", **ends})
    peer.done(pair, "relationships")
    assert raised(peer.call(pair, "relationships")) == ("AttributeError", None)


@pytest.mark.parametrize(
    ("module", "path", "fields"),
    [
        ("sequences", "/sequences", {"columns": COLUMNS}),
        (
            "relationships",
            "/relationships",
            {"sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "asset"},
        ),
    ],
)
def test_threads_of_these_die_in_silence(pair: Pair, peer: Peer, module: str, path: str, fields: Doc) -> None:
    pair.source.create("/assets", {"externalId": "a", "name": "a"})
    peer.done(pair, "assets")
    pair.source.create(path, *named(5, "x", **fields))
    outcome = peer.call(pair, module, batch_size=2, num_threads=2)
    assert outcome.raised is None
    assert [message.partition(":")[0] for message in outcome.in_threads] == ["TypeError", "TypeError"]
    assert pair.target.all(path) == []


def test_time_series_before_any_asset(pair: Pair, peer: Peer) -> None:
    pair.source.create("/timeseries", {"externalId": "s"})
    assert raised(peer.call(pair, "time_series")) == ("TypeError", None)


def test_sequence_rows_of_the_first_batch_only(pair: Pair, peer: Peer) -> None:
    assert raised(peer.call(pair, "sequence_rows", num_threads=1)) == ("ZeroDivisionError", None)  # none to copy
    for project in (pair.source, pair.target):
        project.create("/sequences", *named(2, "s", columns=COLUMNS))
    for key in ("s0", "s1"):
        rows = {"externalId": key, "columns": ["c"], "rows": [{"rowNumber": 0, "values": [1]}]}
        pair.source.call("POST", "/sequences/data", {"items": [rows]})
    peer.done(pair, "sequence_rows", batch_size=1, num_threads=1)
    found = [pair.target.call("POST", "/sequences/data/list", {"externalId": key})["rows"] for key in ("s0", "s1")]
    assert sorted(map(len, found)) == [0, 1]


def test_clear_replication_metadata_clears_nothing(pair: Pair, peer: Peer) -> None:
    pair.source.create("/assets", {"externalId": "a", "name": "a"})
    peer.done(pair, "assets")
    outcome = peer.call_with([pair.target.name], "replication", "clear_replication_metadata")
    assert outcome.quiet
    assert "_replicatedSource" in pair.target.by_key("/assets")["a"]["metadata"]


def test_an_unreplicated_asset_of_the_same_name_ends_the_run(pair: Pair, peer: Peer) -> None:
    pair.source.create("/assets", *named(3, "a", name="a"))
    pair.target.create("/assets", {"externalId": "a1", "name": "theirs"})
    assert raised(peer.call(pair, "assets"))[0] == "CogniteDuplicatedError"
    assert len(pair.target.all("/assets")) == 1


# -- lost in silence


def test_a_new_event_without_external_id(pair: Pair, peer: Peer) -> None:
    pair.source.create("/events", {"description": "first"})
    peer.done(pair, "events")
    pair.source.create("/events", {"description": "second"})
    peer.done(pair, "events")
    assert [doc["description"] for doc in pair.target.all("/events")] == ["first"]


def test_the_start_of_an_open_event(pair: Pair, peer: Peer) -> None:
    times: list[Doc] = [{"startTime": 5}, {"startTime": 0, "endTime": 5}, {"startTime": 5, "endTime": 5}]
    keys = ("open", "zero", "point")
    pair.source.create("/events", *({"externalId": key, **time} for key, time in zip(keys, times, strict=True)))
    peer.done(pair, "events")
    copies = pair.target.by_key("/events")
    assert {key: (doc.get("startTime"), doc.get("endTime")) for key, doc in copies.items()} == {
        "open": (None, None),
        "zero": (5, 5),
        "point": (5, 5),
    }


def test_a_field_cleared_at_the_source(pair: Pair, peer: Peer, edited_later: Callable[[], None]) -> None:
    (asset,) = pair.source.create("/assets", {"externalId": "a", "name": "a", "description": "d"})
    peer.done(pair, "assets")
    edited_later()
    pair.source.update("/assets", asset, description={"setNull": True}, name={"set": "b"})
    peer.done(pair, "assets")
    copy = pair.target.by_key("/assets")["a"]
    assert (copy["name"], copy["description"]) == ("b", "d")


def test_the_asset_of_a_series_that_came_first(pair: Pair, peer: Peer) -> None:
    pair.source.create("/assets", {"externalId": "early", "name": "early"})
    peer.done(pair, "assets")
    (late,) = pair.source.create("/assets", {"externalId": "late", "name": "late"})
    pair.source.create("/timeseries", {"externalId": "s", "assetId": late["id"]})
    for module in ("time_series", "assets", "time_series"):
        peer.done(pair, module)
    assert "late" in pair.target.by_key("/assets")
    assert "assetId" not in pair.target.by_key("/timeseries")["s"]


def test_one_refused_batch_of_three(pair: Pair, peer: Peer) -> None:
    pair.source.create("/assets", {"externalId": "a", "name": "a"})
    peer.done(pair, "assets")
    pair.source.create("/events", *named(3000, "e", startTime=1, endTime=2))
    pair.source.sandbox.control.fault(
        project=pair.target.name, method="POST", path="/events", kind="status", status=400, nth=2
    )
    outcome = peer.call(pair, "events", batch_size=1000, num_threads=3)
    assert outcome.raised is None
    assert len(outcome.in_threads) == 1
    assert len(pair.target.all("/events")) == 2000


def test_datapoints_before_the_last_five_weeks_or_the_last_point(pair: Pair, peer: Peer) -> None:
    for project in (pair.source, pair.target):
        project.create("/timeseries", {"externalId": "s"})
    pair.source.sandbox.control.resume()
    now = pair.source.sandbox.control.now_ms()
    days = {number: now - number * DAY for number in (100, 50, 36, 34, 3, 2, 1)}
    pair.source.insert("s", *((time, float(day)) for day, time in days.items() if day not in (3, 2)))
    outcome = peer.call(pair, "datapoints", start="100d-ago", limit=1)
    assert outcome.quiet
    assert [point[1] for point in pair.target.points("s")] == [34.0, 1.0]
    pair.source.insert("s", (days[3], 3.0), (days[34], -34.0))  # late and corrected
    peer.done(pair, "datapoints")
    assert [point[1] for point in pair.target.points("s")] == [34.0, 1.0]


def test_datapoints_refused_by_the_target(pair: Pair, peer: Peer) -> None:
    pair.source.create("/timeseries", {"externalId": "s", "isString": True})
    pair.target.create("/timeseries", {"externalId": "s", "isString": False})
    control = pair.source.sandbox.control
    control.resume()
    pair.source.insert("s", (control.now_ms() - 1000, "text"))
    outcome = peer.call(pair, "datapoints")
    assert outcome.raised is None
    assert len(outcome.logged) == 1
    assert pair.target.points("s") == []


# -- made twice, deleted too much


def test_a_data_set_without_external_id_is_made_by_every_process(pair: Pair, peer: Peer) -> None:
    (data_set,) = pair.source.create("/datasets", {"name": "no external id"})
    for n in range(2):
        pair.source.create("/assets", {"externalId": f"a{n}", "name": "a", "dataSetId": data_set["id"]})
        # The mapping is what a process remembers.
        peer.done(pair, "assets", config={"dataset_support": True}, src_dst_dataset_mapping={})
    assert len(pair.target.all("/datasets")) == 2


def test_a_mistyped_subtree_root_deletes_every_copy(pair: Pair, peer: Peer) -> None:
    pair.source.create("/assets", *named(3, "a", name="a"))
    peer.done(pair, "assets")
    pair.target.create("/assets", {"externalId": "foreign", "name": "foreign"})
    peer.done(pair, "assets", subtree_external_ids="mistyped", delete_replicated_if_not_in_src=True)
    assert set(pair.target.by_key("/assets")) == {"foreign"}


def test_deletes_reach_what_another_source_brought(project: Callable[[], Project], pair: Pair, peer: Peer) -> None:
    other = Pair(project(), pair.target)
    pair.source.create("/events", *named(3, "a"))
    other.source.create("/events", *named(3, "b"))
    peer.done(pair, "events")
    peer.done(other, "events", delete_replicated_if_not_in_src=True)
    assert set(pair.target.by_key("/events")) == {"b0", "b1", "b2"}


# -- answers that fail


def test_throttled_twice_is_survived_and_503_on_a_create_is_not(pair: Pair, peer: Peer) -> None:
    control = pair.source.sandbox.control
    pair.source.create("/assets", {"externalId": "a", "name": "a"})
    rule = {"project": pair.target.name, "method": "POST", "path": "/assets", "kind": "status"}
    control.fault(**rule, status=503)
    assert raised(peer.call(pair, "assets")) == ("CogniteAPIError", 503)
    assert pair.target.all("/assets") == []
    control.clear_faults()
    control.fault(**rule, status=429, times=2)
    outcome = peer.call(pair, "assets")
    assert outcome.quiet
    assert outcome.by_endpoint[f"{pair.target.name} POST /assets"] == 3
    assert set(pair.target.by_key("/assets")) == {"a"}
