# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in the middle of a real process over real sockets, then the same again: it goes on, and nothing is missing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cdf.streams import Side, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair

PAGES = 14
ROWS = 50_000


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Iterator[Pair]:
    yield new_pair(box)
    box.control.settings(latency_ms=0)


def _start(pair: Pair, kind: str, state: Path) -> subprocess.Popen[str]:
    arguments = [kind, pair.running.base_url, pair.running.token, pair.source, pair.target, str(state)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cdf.killed_run", *arguments], stdout=subprocess.PIPE, text=True
    )


def _kill_when(pair: Pair, kind: str, state: Path, enough: Callable[[dict[str, Any]], bool]) -> None:
    """Start, and kill as soon as what is saved is enough."""
    process = _start(pair, kind, state)
    try:
        while not (state.exists() and enough(_saved(state))):
            assert process.poll() is None, "the run was over before it could be killed"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _saved(state: Path) -> dict[str, Any]:
    values = json.loads(state.read_text())
    found: dict[str, Any] = values["checkpoint"]["state"] if values else {"counts": {"written": 0}}
    return found


def _finish(pair: Pair, kind: str, state: Path) -> dict[str, Any]:
    with _start(pair, kind, state) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(out)
    return report


def test_datapoints_go_on_within_a_long_series(pair: Pair, tmp_path: Path) -> None:
    points = {1_600_000_000_000 + at * 1000: float(at) for at in range(PAGES * 100_000)}

    async def fill(source: Side, target: Side) -> None:
        await series_on_both(source, target, "long")
        await source.insert("long", points)

    async def check(source: Side, target: Side) -> None:
        assert await target.points("long") == points

    pair.run(fill)
    pair.control.reset_counters()
    pair.control.settings(latency_ms=100)
    state = tmp_path / "state.json"
    _kill_when(pair, "datapoints", state, lambda saved: saved["counts"]["written"] >= 300_000)
    assert len(state.read_text()) < 64_000
    pair.control.settings(latency_ms=0)
    pair.control.reset_counters()
    report = _finish(pair, "datapoints", state)
    assert report["resumed"]
    asked = pair.requests()
    assert asked["target POST /timeseries/data"] <= PAGES - 2, "what was saved as done is not written again"
    pair.run(check)
    assert json.loads(state.read_text()) == {}, "a finished run leaves no checkpoint"


def test_raw_goes_on_within_a_table(pair: Pair, tmp_path: Path) -> None:
    async def fill(source: Side, target: Side) -> None:
        for start in range(0, ROWS, 10_000):
            rows = [{"key": f"r{at:06}", "columns": {"n": at}} for at in range(start, start + 10_000)]
            await source.client.post_json("/raw/dbs/db/tables/t/rows?ensureParent=true", {"items": rows})

    async def rows_of(side: Side) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cursor = None
        while True:
            params = {"limit": 10_000, "cursor": cursor}
            answer = await side.client.get_json("/raw/dbs/db/tables/t/rows", params=params)
            found |= {row["key"]: row["columns"] for row in answer["items"]}
            cursor = answer.get("nextCursor")
            if not cursor:
                return found

    async def check(source: Side, target: Side) -> None:
        rows = await rows_of(target)
        assert len(rows) == ROWS
        assert rows == await rows_of(source)

    pair.run(fill)
    pair.control.reset_counters()
    pair.control.settings(latency_ms=100)
    state = tmp_path / "state.json"
    _kill_when(pair, "raw", state, lambda saved: saved["counts"]["written"] >= 20_000)
    pair.control.settings(latency_ms=0)
    pair.control.reset_counters()
    report = _finish(pair, "raw", state)
    assert report["resumed"]
    asked = pair.requests()
    assert "target GET /raw/dbs/{dbName}/tables/{tableName}/rows" not in asked, "it goes on, it does not compare"
    assert asked["target POST /raw/dbs/{dbName}/tables/{tableName}/rows"] <= ROWS / 10_000
    pair.run(check)
