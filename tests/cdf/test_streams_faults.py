# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault on every path of datapoints and raw, over a real socket: the target ends equal to the source."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.options import RawOptions
from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.cdf.raw import write as raw_write
from airflow_provider_replicator.cdf.raw.replicate import replicate_raw
from airflow_provider_replicator.exceptions import CircuitOpenError, PartialReplicationError, TransientError
from tests.cdf.streams import Side, copy_points, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429},
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after": 0.02},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "auto-retryable": {"kind": "status", "status": 400, "auto_retryable": True},
    "500 after commit": {"kind": "status_after_commit", "status": 500},
    "reset": {"kind": "reset"},
    "reset after commit": {"kind": "reset_after_commit"},
    "slow body": {"kind": "slow_body", "seconds": 0.2},
    "truncated body": {"kind": "truncated_body"},
    "delay": {"kind": "delay", "seconds": 0.2},
}
POINT_PATHS = ["/timeseries/data", "/timeseries/data/delete", "/timeseries/data/latest", "/timeseries/data/list"]
ROWS = "/raw/dbs/db/tables/t/rows"
RAW_PATHS = ["/raw/dbs", "/raw/dbs/db/tables", ROWS, f"{ROWS}/delete", "/raw/dbs/db/tables/t/cursors"]


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Iterator[Pair]:
    yield new_pair(box)
    box.control.clear_faults()
    box.control.settings(max_body_bytes=100 << 20)


def _happened(pair: Pair) -> int:
    return sum(rule["happened"] for rule in pair.control.faults())


@pytest.mark.parametrize("path", POINT_PATHS)
@pytest.mark.parametrize("fault", FAULTS)
def test_datapoints(pair: Pair, path: str, fault: str) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a", "b")
        await series_on_both(source, target, "t", isString=True)
        for key in ("a", "b"):
            await source.insert(key, {at: float(at) for at in range(50)})
        await source.insert("t", {1: "en", 2: "to"}, strings=True)
        await target.insert("a", {3: 3.5, 60: 60.0})
        pair.control.fault(path=path, method="POST", project=pair.target, times=2, **FAULTS[fault])
        report = await copy_points(source, target, resume=False)
        assert _happened(pair) >= 1
        pair.control.clear_faults()
        for key in ("a", "b", "t"):
            assert await target.points(key) == await source.points(key)
        assert (report.read, report.written, report.deleted, report.failed) == (102, 102, 1, 0)
        again = await copy_points(source, target, resume=False)
        assert (again.written, again.deleted) == (0, 0)

    pair.run(work)


@pytest.mark.parametrize("fault", FAULTS)
def test_datapoints_read_from_a_source_with_faults(pair: Pair, fault: str) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.insert("a", {at: float(at) for at in range(50)})
        for path in ("/timeseries/list", "/timeseries/data/list"):
            pair.control.fault(path=path, project=pair.source, times=1, **FAULTS[fault])
        await copy_points(source, target)
        assert _happened(pair) == 2
        pair.control.clear_faults()
        assert await target.points("a") == await source.points("a")

    pair.run(work)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rows or points take the paths that a hundred thousand take."""
    monkeypatch.setattr(raw_copy, "PAGE", 100)
    monkeypatch.setattr(raw_write, "MAX_ROWS", 100)
    monkeypatch.setattr(plan, "MAX_POINTS", 100)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("path", RAW_PATHS)
@pytest.mark.parametrize("fault", FAULTS)
def test_raw(pair: Pair, path: str, fault: str) -> None:
    """A first load that creates everything, then a run that changes and deletes rows."""
    side = pair.source if path.endswith("cursors") else pair.target

    async def work(source: Side, target: Side) -> None:
        await insert_rows(source, range(120))
        pair.control.fault(path=path, project=side, times=2, **FAULTS[fault])
        first = await replicate_raw(source=source.client, target=target.client, options=RawOptions())
        assert (first.read, first.written, first.failed) == (120, 120, 0)
        await insert_rows(source, range(5), value="changed")
        await source.client.post_json(f"{ROWS}/delete", {"items": [{"key": "r00119"}]})
        second = await replicate_raw(
            source=source.client, target=target.client, options=RawOptions(delete_missing=True)
        )
        assert (second.written, second.deleted, second.unchanged) == (5, 1, 114)
        assert _happened(pair) >= 1
        pair.control.clear_faults()
        assert await rows_of(target) == await rows_of(source)

    pair.run(work)


async def insert_rows(side: Side, numbers: range, *, value: str = "first") -> None:
    for start in range(numbers.start, numbers.stop, 10_000):
        chosen = range(start, min(start + 10_000, numbers.stop))
        rows = [{"key": f"r{at:05}", "columns": {"n": at, "value": value}} for at in chosen]
        await side.client.post_json(f"{ROWS}?ensureParent=true", {"items": rows})


async def rows_of(side: Side) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cursor = None
    while True:
        answer = await side.client.get_json(ROWS, params={"limit": 10_000, "cursor": cursor})
        found |= {row["key"]: row["columns"] for row in answer["items"]}
        cursor = answer.get("nextCursor")
        if not cursor:
            return found


def test_an_outage_is_a_transient_error(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.insert("a", {1: 1.0})
        pair.control.fault(path="/timeseries/data", project=pair.target, kind="status", status=503, times=None)
        with pytest.raises(TransientError, match="/timeseries/data"):
            await copy_points(source, target)
        pair.control.clear_faults()
        await copy_points(source, target)
        assert await target.points("a") == {1: 1.0}

    pair.run(work)


def test_a_refused_insert_is_split_until_the_bad_points_are_alone(pair: Pair, tmp_path: Path) -> None:
    """The refusals hit the whole, the half, and one point: 1 of 32 is a dead letter, with what it takes to send it again."""

    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        points = {at: (float(at), 0x40000000) for at in range(32)}
        await source.insert("a", points)
        pair.control.fault(
            path="/timeseries/data", project=pair.target, kind="status", status=400, times=6, message="bad value"
        )
        letters = tmp_path / "letters.jsonl"
        with pytest.raises(PartialReplicationError) as caught:
            await copy_points(source, target, dead_letter_path=str(letters))
        assert caught.value.report["failed"] == 1
        assert caught.value.report["written"] == 31
        (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
        assert letter["reason"] == "bad value"
        assert letter["document"] == {
            "externalId": "a",
            "datapoints": [{"timestamp": 0, "value": 0.0, "status": {"code": 0x40000000}}],
        }
        assert await target.points("a") == {at: point for at, point in points.items() if at}
        await target.client.post_json("/timeseries/data", {"items": [letter["document"]]})
        assert await target.points("a") == points

    pair.run(work)


def test_a_series_that_vanishes_from_the_target_takes_no_other_with_it(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "stays", "goes")
        for key in ("stays", "goes"):
            await source.insert(key, {1: 1.0, 2: 2.0})
        # Deleted between the request for its last point and the insert: the fault delays nothing, it only has the insert refused.
        pair.control.fault(path="/timeseries/data", project=pair.target, kind="status", status=400, times=1)
        report = await copy_points(source, target)
        assert (report.written, report.failed) == (4, 0)

    pair.run(work)


@pytest.mark.usefixtures("small_pages")
def test_when_everything_is_refused_the_run_stops_early(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        keys = [f"s{number:02}" for number in range(12)]
        await series_on_both(source, target, *keys)
        for key in keys:
            await source.insert(key, {at: float(at) for at in range(60)})
        pair.control.fault(path="/timeseries/data", project=pair.target, kind="status", status=422, times=None)
        with pytest.raises(CircuitOpenError, match="for the same reason"):
            await copy_points(source, target)
        assert pair.requests()["target POST /timeseries/data"] < 1000

    pair.run(work)


def test_bodies_that_are_too_large_become_smaller(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.insert("a", {at: at + 0.5 for at in range(60_000)})
        await insert_rows(source, range(30_000))
        pair.control.settings(max_body_bytes=200_000)
        pair.control.reset_counters()
        report = await copy_points(source, target)
        assert (report.written, report.failed) == (60_000, 0)
        rows = await replicate_raw(source=source.client, target=target.client, options=RawOptions())
        assert (rows.written, rows.failed) == (30_000, 0)
        sent = pair.requests()["target POST /raw/dbs/{dbName}/tables/{tableName}/rows"]
        assert sent <= 30, "what was learnt of the limit is used for the next request"
        assert await rows_of(target) == await rows_of(source)
        assert await target.points("a") == await source.points("a")

    pair.run(work)


def test_a_refused_row_is_a_dead_letter_and_the_others_are_written(pair: Pair, tmp_path: Path) -> None:
    async def work(source: Side, target: Side) -> None:
        await insert_rows(source, range(100))
        pair.control.fault(path=ROWS, method="POST", project=pair.target, kind="status", status=400, times=7)
        letters = tmp_path / "letters.jsonl"
        with pytest.raises(PartialReplicationError) as caught:
            await replicate_raw(
                source=source.client, target=target.client, options=RawOptions(dead_letter_path=str(letters))
            )
        assert (caught.value.report["failed"], caught.value.report["written"]) == (1, 99)
        (letter,) = [json.loads(line) for line in letters.read_text().splitlines()]
        assert letter["key"] == "db/t/r00000"
        assert letter["document"] == {"key": "r00000", "columns": {"n": 0, "value": "first"}}

    pair.run(work)
