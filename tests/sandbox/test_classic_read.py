# SPDX-License-Identifier: Apache-2.0
"""Reading: pages, cursors, partitions, filters, lists by query string."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.caller import AnswerError, Caller, names
from tests.sandbox.conftest import NOW


def test_pages_end_without_a_cursor(events: Caller) -> None:
    first = events.post("/events/list", {"limit": 20})
    assert len(first["items"]) == 20
    last = events.post("/events/list", {"limit": 20, "cursor": first["nextCursor"]})
    assert names(last["items"]) == ["e20", "e21", "e22", "e23", "e24"]
    assert "nextCursor" not in last
    assert "nextCursor" not in events.post("/events/list", {"limit": 25})


def test_pages_neither_skip_nor_repeat_while_documents_come_and_go(events: Caller) -> None:
    first = events.post("/events/list", {"limit": 10})
    events.post("/events/delete", {"items": [{"externalId": name} for name in ("e3", "e9", "e10", "e12")]})
    events.update("/events", {"externalId": "e0"}, {"type": {"set": "changed"}})
    events.create("/events", {"externalId": "new"})
    rest = events.post("/events/list", {"limit": 100, "cursor": first["nextCursor"]})["items"]
    assert names(rest) == ["e11", *(f"e{n}" for n in range(13, 25)), "new"]


def test_short_pages_still_reach_everything(server: CdfServer, events: Caller) -> None:
    server.settings.short_pages = 4
    assert len(events.post("/events/list", {"limit": 1000})["items"]) == 4
    assert len(events.all("/events", limit=1000)) == 25


def test_a_cursor_belongs_to_its_question(events: Caller, server: CdfServer) -> None:
    question = {"limit": 2, "filter": {"type": "T1"}, "partition": "1/2"}
    cursor = events.post("/events/list", question)["nextCursor"]
    assert events.post("/events/list", {**question, "limit": 3, "cursor": cursor})["items"]
    others: list[dict[str, Any]] = [
        {"partition": "2/2"},
        {"filter": {"type": "T2"}},
        {"filter": {}},
        {"partition": None},
    ]
    for other in others:
        with pytest.raises(AnswerError, match="cursor") as caught:
            events.post("/events/list", {**question, **other, "cursor": cursor})
        assert caught.value.status == 400
    for path in ("/assets/list", "/timeseries/list"):
        with pytest.raises(AnswerError, match="cursor"):
            events.post(path, {"cursor": cursor})
    with pytest.raises(AnswerError, match="cursor"):
        Caller(server, "target").post("/events/list", {**question, "cursor": cursor})


@pytest.mark.parametrize("cursor", ["", "abc", "AAAAAAAAAAAAAAAA", 5, ["x"], "é"])
def test_made_up_cursors_are_refused(events: Caller, cursor: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        events.post("/events/list", {"cursor": cursor})
    assert caught.value.status == 400


@pytest.mark.parametrize("count", [1, 2, 7, 10])
def test_partitions_split_everything(events: Caller, count: int) -> None:
    parts = [names(events.all("/events", partition=f"{m}/{count}", limit=2)) for m in range(1, count + 1)]
    assert sorted(chain(*parts)) == sorted(f"e{n}" for n in range(25))
    assert all(len(part) >= 25 // count for part in parts)


def test_more_than_ten_partitions(events: Caller) -> None:
    for path in ("/assets", "/events", "/files"):
        with pytest.raises(AnswerError, match="at most 10") as caught:
            events.post(f"{path}/list", {"partition": "1/11"})
        assert caught.value.status == 400
    events.create("/timeseries", *({"externalId": str(n)} for n in range(40)))
    parts = [names(events.all("/timeseries", partition=f"{m}/16")) for m in range(1, 17)]
    assert sorted(map(int, chain(*parts))) == list(range(40))
    assert parts[10:] == [[]] * 6
    assert parts[0] == names(events.all("/timeseries", partition="1/10"))


@pytest.mark.parametrize("partition", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", 1, "1/2/3"])
def test_partitions_that_mean_nothing(events: Caller, partition: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        events.post("/timeseries/list", {"partition": partition})
    assert caught.value.status == 400


def test_retrieval_keeps_the_order_and_names_the_missing(events: Caller) -> None:
    wanted = [{"externalId": "e3"}, {"externalId": "none"}, {"externalId": "e1"}, {"id": 5}]
    with pytest.raises(AnswerError) as caught:
        events.post("/events/byids", {"items": wanted})
    assert caught.value.status == 400
    assert caught.value.error["missing"] == [{"externalId": "none"}, {"id": 5}]
    assert names(events.items("/events/byids", {"items": wanted, "ignoreUnknownIds": True})) == ["e3", "e1"]


@pytest.mark.parametrize("item", [{}, {"id": 1, "externalId": "x"}, {"id": "x"}, {"id": None}, {"externalId": 5}])
def test_identifiers_that_name_nothing(events: Caller, item: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as caught:
        events.post("/events/byids", {"items": [item]})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"type": "T1"}, [n for n in range(25) if n % 3 == 1]),
        ({"startTime": {"min": 3, "max": 5}}, [3, 4, 5]),
        ({"startTime": {"max": 1}}, [0, 1]),
        ({"endTime": {"isNull": True}, "startTime": {"min": 24}}, [24]),
        ({"externalIdPrefix": "e2"}, [2, 20, 21, 22, 23, 24]),
        ({"metadata": {"Key": "V2"}}, [2, 6, 10, 14, 18, 22]),
        ({"metadata": {"Key": "V2", "n": "6"}}, [6]),
        ({"metadata": {}, "startTime": {"max": 2}}, [0, 1, 2]),
        ({"assetIds": [1, 2]}, []),
        ({"activeAtTime": {"max": 2}}, [0, 1, 2]),
        ({"createdTime": {"min": NOW, "max": NOW}, "type": "T0", "startTime": {"max": 4}}, [0, 3]),
        ({"lastUpdatedTime": {"max": NOW - 1}}, []),
    ],
)
def test_filters(events: Caller, condition: dict[str, Any], expected: list[int]) -> None:
    assert names(events.all("/events", filter=condition, limit=2)) == [f"e{n}" for n in expected]


@pytest.mark.parametrize(
    "condition",
    [
        {"unknown": 1},
        {"type": 5},
        {"startTime": 5},
        {"startTime": {"from": 5}},
        {"assetIds": "x"},
        {"metadata": "x"},
        [],
    ],
)
def test_filters_of_the_wrong_shape(events: Caller, condition: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        events.post("/events/list", {"filter": condition})
    assert caught.value.status == 400


@given(
    writes=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True), max_size=12),
    window=st.tuples(st.integers(-2, 14), st.integers(-2, 14)),
    limit=st.integers(1, 9),
    partitions=st.integers(1, 4),
)
def test_a_window_of_last_updated_time_finds_exactly_its_documents(
    writes: list[list[int]], window: tuple[int, int], limit: int, partitions: int
) -> None:
    """Whatever was written how often: by index or by scan, in pages and partitions, the answer is that of a plain comparison."""
    cdf = Caller(CdfServer(["source"], clock=Clock(at=NOW)), "source")
    cdf.create("/events", *({"externalId": f"e{n}"} for n in range(31)))
    for write in writes:
        items = [{"externalId": f"e{n}", "update": {"type": {"set": "x"}}} for n in write]
        cdf.post("/events/update", {"items": items})
    low, high = NOW + window[0], NOW + window[1]
    expected = {e["externalId"] for e in cdf.all("/events") if low <= e["lastUpdatedTime"] <= high}
    condition = {"lastUpdatedTime": {"min": low, "max": high}}
    found = []
    for number in range(1, partitions + 1):
        found += names(cdf.all("/events", filter=condition, limit=limit, partition=f"{number}/{partitions}"))
    assert sorted(found) == sorted(expected)


def test_the_metadata_index_follows_changes(events: Caller) -> None:
    assert len(events.all("/events", filter={"metadata": {"mark": "1"}})) == 0
    events.update("/events", {"externalId": "e1"}, {"metadata": {"add": {"mark": "1"}}})
    events.update("/events", {"externalId": "e2"}, {"metadata": {"add": {"mark": "1"}}})
    assert names(events.all("/events", filter={"metadata": {"mark": "1"}})) == ["e1", "e2"]
    events.update("/events", {"externalId": "e1"}, {"metadata": {"remove": ["mark"]}})
    events.post("/events/delete", {"items": [{"externalId": "e2"}]})
    assert events.all("/events", filter={"metadata": {"mark": "1"}}) == []


def test_commit_delay_hides_writes_from_lists_but_not_from_retrieval(server: CdfServer, events: Caller) -> None:
    server.settings.commit_delay_ms = 5000
    events.create("/events", {"externalId": "new"})
    events.update("/events", {"externalId": "e0"}, {"type": {"set": "new"}})
    events.post("/events/delete", {"items": [{"externalId": "e1"}]})
    assert names(events.items("/events/byids", {"items": [{"externalId": "new"}]})) == ["new"]
    assert events.all("/events", filter={"type": "new"}) == []
    assert len(events.all("/events")) == 25
    assert events.items("/events/aggregate", {}) == [{"count": 25}]
    server.clock.advance(4999)
    assert len(events.all("/events")) == 25
    server.clock.advance(1)
    assert names(events.all("/events", filter={"type": "new"})) == ["e0"]
    assert names(events.all("/events"))[-1] == "new"
    assert "e1" not in names(events.all("/events"))


def test_lists_by_query_string(events: Caller) -> None:
    assert names(events.get("/events?limit=3&minStartTime=4&partition=1/2")["items"]) == ["e4", "e6", "e8"]
    first = events.get("/events?limit=2&type=T1")
    assert names(events.get(f"/events?limit=2&type=T1&cursor={first['nextCursor']}")["items"]) == ["e7", "e10"]
    assert names(events.get("/events?sort=startTime:desc&limit=2")["items"]) == ["e24", "e23"]
    assert events.get("/events?assetIds=[1,2]")["items"] == []
    for query in ("limit=x", "limit=0", "minStartTime=x", "assetIds=x", "assetIds=[", "partition=1/11"):
        with pytest.raises(AnswerError) as caught:
            events.get(f"/events?{query}")
        assert caught.value.status == 400


def test_one_document_by_its_path(events: Caller) -> None:
    (event,) = events.items("/events/byids", {"items": [{"externalId": "e1"}]})
    assert events.get(f"/events/{event['id']}") == event
    with pytest.raises(AnswerError) as caught:
        events.get("/events/5")
    assert caught.value.status == 404


def test_unknown_endpoints_are_404(cdf: Caller) -> None:
    for path in ("/nothing", "/assets/nothing/else", ""):
        with pytest.raises(AnswerError) as caught:
            cdf.post(path, {})
        assert caught.value.status == 404
