# SPDX-License-Identifier: Apache-2.0
"""SIGKILL before and after everything that a run does to the lake; runs beside each other; an S3 that fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import LakeAccessError, LakeUnavailableError
from airflow_provider_replicator.lake.datapoints import feed as feed_module
from airflow_provider_replicator.lake.datapoints import replace as replace_module
from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
from benchmarks.workloads import encode_points, point_blocks
from tests.cdf.streams import Side
from tests.lake.datapoints.process import command, run
from tests.lake.datapoints.tables import DAY, Exports, expected, ms, window
from tests.lake.killable import Killable, Outcome, kill_everywhere, run_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.faulty_s3 import FaultyS3

JANUARY = ms("2024-01-01")
FEED = "datapoints_feed"


def two_months() -> dict[str, dict[int, float]]:
    return {name: {JANUARY + at * 3_600_000: float(at) for at in range(24 * 59)} for name in "abc"}


def run_in_small_pages(*arguments: Any) -> None:
    """In a process of its own: a commit for each change of a partition."""
    feed_module._PAGE = 1
    run_engine(*arguments)


def killed_everywhere(
    exports: Exports,
    killable: Killable,
    folder: Path,
    options: PointsOptions | FeedOptions,
    name: str,
    *,
    at_once: bool = False,
) -> list[str]:
    """Returns the effects of an undisturbed run, which leaves ``exports`` as they would be after it."""
    begun = exports.lake
    running = exports.pair.running
    source = (running.base_url, running.token, exports.pair.source)

    def run(lake: Lake, kill_at: int | None) -> Outcome:
        return killable.run(run_in_small_pages, *source, lake, options, kill_at=kill_at)

    def run_again(lake: Lake) -> None:
        run_engine(*source, lake, options)

    def content(lake: Lake) -> Any:
        exports.lake = lake
        return exports.rows(name)

    try:
        return kill_everywhere(begun, folder, run=run, run_again=run_again, content=content, at_once=at_once)
    finally:
        exports.lake = begun


@pytest.mark.parametrize("period", ["month", "day"])
def test_a_killed_window_leaves_the_table_as_it_was_or_as_it_should_be(
    exports: Exports, killable: Killable, tmp_path: Path, period: Any
) -> None:
    series = two_months()
    exports.fill(series)
    exports.export("2024-01-28", "2024-02-15", partition_by=period)
    exports.fill({"a": dict.fromkeys(series["a"], 7.0)})
    options = PointsOptions(mode="window", window=window("2024-01-30", "2024-02-03"), partition_by=period)
    effects = killed_everywhere(exports, killable, tmp_path, options, "datapoints", at_once=True)
    assert effects == [*["LocalObjects.upload"] * 4, "DeltaTable.create_write_transaction", "LocalObjects.delete"]


def test_a_killed_feed_goes_on_behind_its_last_commit(exports: Exports, killable: Killable, tmp_path: Path) -> None:
    """Row 4: what was appended before the crash was appended again after it."""
    exports.fill({"a": {1: 1.0, 2: 2.0, 40 * DAY: 3.0}, "b": {5: 5.0}})
    exports.subscribe("a", "b")
    exports.follow()
    exports.fill({"a": {2: 9.0, 7: 7.0}})
    exports.delete("a", 1, 2)
    exports.fill({"b": {DAY: 1.0}})
    effects = killed_everywhere(exports, killable, tmp_path, FeedOptions(subscription="sub", batch_points=1), FEED)
    assert effects.count("DeltaTable.create_write_transaction") >= 2
    exports.follow()
    assert exports.rows(FEED) == {
        ("a", 2): 9.0,
        ("a", 7): 7.0,
        ("a", 40 * DAY): 3.0,
        ("b", 5): 5.0,
        ("b", DAY): 1.0,
    }


def test_a_first_load_of_a_feed_that_is_killed(exports: Exports, killable: Killable, tmp_path: Path) -> None:
    exports.fill({"a": {1: 1.0, 40 * DAY: 2.0}})
    exports.subscribe("a")
    effects = killed_everywhere(exports, killable, tmp_path, FeedOptions(subscription="sub"), FEED)
    assert effects.count("Table._create") == 1
    exports.follow()
    assert exports.rows(FEED) == {("a", 1): 1.0, ("a", 40 * DAY): 2.0}


def _all_at_once(commands: list[list[str]]) -> list[dict[str, Any]]:
    started = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in commands]
    outputs = [one.communicate(timeout=120)[0] for one in started]
    assert [one.returncode for one in started] == [0] * len(started)
    return [json.loads(output) for output in outputs]


def test_windows_and_shards_in_several_processes_on_s3(exports_to: Callable[[Lake], Exports], s3_lake: Lake) -> None:
    """The table does not exist before; two processes have the very same window, two the halves of another one."""
    exports = exports_to(s3_lake)
    series = two_months()
    exports.fill(series)
    middle, end = ms("2024-02-01"), ms("2024-03-01")
    options: list[dict[str, Any]] = [{"window": [JANUARY, middle]}] * 2
    options += [{"window": [middle, end], "shard": [index, 2]} for index in range(2)]
    reports = _all_at_once([command(exports, buckets=2, **one) for one in options])
    assert exports.rows() == expected(series)
    assert sum(report["written"] for report in reports) == len(expected(series)) + 3 * 31 * 24


def test_a_lost_answer_to_a_commit_is_no_second_commit(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    exports = exports_to(faulty_lake)
    exports.fill({"a": {1: 1.0, 2: 2.0}})
    exports.subscribe("a")
    exports.export()
    exports.follow()
    for path in ("datapoints/datapoints/", "datapoints/datapoints_feed/"):
        faulty_s3.fault(rf"^PUT .*{path}_delta_log/.*json", "lose")
    exports.fill({"a": {1: 3.0}})
    exports.delete("a", 2, 3)
    exports.export()
    exports.follow()
    assert exports.rows() == exports.rows(FEED) == {("a", 1): 3.0}
    assert exports.follow().read == 0


def test_a_server_that_says_slow_down_is_asked_again(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    exports = exports_to(faulty_lake)
    rows = {("a", at): 1.0 for at in range(100)}
    exports.fill({"a": {at: value for (_, at), value in rows.items()}})
    exports.subscribe("a")
    exports.export()
    exports.follow()
    faults = ["^PUT .*part-", "^GET .*part-", "^PUT .*_cdf_cursors", "^PUT .*_delta_log", "^GET "]
    for place, match in enumerate(faults):
        exports.fill({"a": {5: 5.0 + place}})
        rows["a", 5] = 5.0 + place
        fault = faulty_s3.fault(match, "error", status=503)
        exports.export("1970-01-01T00:00:00.005", "1970-01-01T00:00:00.050")
        exports.follow()
        assert fault.happened
        assert exports.rows() == exports.rows(FEED) == rows


def test_an_s3_that_is_gone_fails_the_run_and_the_next_one_is_right(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    exports = exports_to(faulty_lake)
    exports.fill({"a": {1: 1.0}})
    exports.export()
    exports.fill({"a": {1: 2.0}})
    faulty_s3.fault("^PUT .*part-", "cut", times=0)
    with pytest.raises(LakeUnavailableError):
        exports.export()
    assert exports.rows() == {("a", 1): 1.0}
    faulty_s3.clear()
    exports.export()
    assert exports.rows() == {("a", 1): 2.0}


def test_cursors_that_cannot_be_stored_fail_the_run_and_nothing_comes_twice(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    """Data was written, an upload of the cursors that was refused was passed over in silence, and the same data was written again."""
    exports = exports_to(faulty_lake)
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": {2: 2.0}})
    fault = faulty_s3.fault("^PUT .*_cdf_cursors", status=403, code="AccessDenied", times=0)
    with pytest.raises(LakeAccessError, match="AccessDenied"):
        exports.follow()
    assert fault.happened
    faulty_s3.clear()
    assert exports.rows(FEED) == {("a", 1): 1.0}
    exports.follow()
    assert exports.rows(FEED) == {("a", 1): 1.0, ("a", 2): 2.0}
    assert exports.follow().read == 0


def test_a_run_that_fails_before_its_commit_leaves_no_objects_behind(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports.fill(two_months())
    exports.export()
    before = sorted(info.key for info in exports.lake.objects().list("datapoints/"))

    def fail(*_: object) -> None:
        raise LakeUnavailableError("no answer")

    monkeypatch.setattr(replace_module, "files_of", fail)
    with pytest.raises(LakeUnavailableError):
        exports.export()
    assert sorted(info.key for info in exports.lake.objects().list("datapoints/")) == before


def test_requests_do_not_grow_with_the_table(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3
) -> None:
    exports = exports_to(faulty_lake)
    exports.fill({"a": {JANUARY + at * DAY: 1.0 for at in range(300)}})
    exports.export(partition_by="day", table_name="t")

    def requests(start: int) -> int:
        faulty_s3.clear()
        options = PointsOptions(mode="window", window=Window(start, start + DAY), table_name="t")
        asyncio.run(exports.exporting(options))
        return len(faulty_s3.requests)

    assert len(exports.handle("t").file_uris()) == 300
    assert requests(JANUARY + 10 * DAY) < 40


def test_memory_does_not_grow_with_the_points(exports: Exports) -> None:
    """A million points, and five: the same memory, but for some slack."""

    async def fill(source: Side) -> None:
        await source.make_series(*(f"s{n}" for n in range(5)))
        for n in range(5):
            for stamps, values in point_blocks(1_000_000, JANUARY, 1000):
                await source.client.post_protobuf("/timeseries/data", encode_points(f"s{n}", stamps, values))

    exports.at_source(fill)
    hour = 3_600_000
    small = run(exports, window=[JANUARY, JANUARY + 55 * hour], table_name="small")
    large = run(exports, window=[JANUARY, JANUARY + 40 * DAY], table_name="large")
    assert small["written"] == 5 * 55 * 3600
    assert large["written"] == 5_000_000
    assert large["peak_mb"] < small["peak_mb"] + 150
    assert large["peak_mb"] < 600
