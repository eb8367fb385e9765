# SPDX-License-Identifier: Apache-2.0
"""A window of datapoints replaces the rows of that window, and nothing else."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.exceptions import ConfigurationError, DeleteGuardError
from airflow_provider_replicator.lake.datapoints import spool
from tests.cdf.streams import BAD, UNCERTAIN, Side
from tests.lake.datapoints.tables import DAY, Exports, expected, ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.lake.location import Lake

JANUARY = ms("2024-01-01")


def hours(count: int, start: int = JANUARY) -> dict[int, float]:
    return {start + at * 3_600_000: float(at) for at in range(count)}


def test_everything_that_cdf_can_hold(exports: Exports) -> None:
    numbers = {
        "n": {ms("1901-02-03"): 1.5, -1: -0.0, 0: 0.0, 1: 1e100, JANUARY: (math.inf, BAD), JANUARY + 1: (None, BAD)},
        "m": {JANUARY: (2.0, UNCERTAIN), JANUARY + 1: -1e-300, ms("2099-12-31T23:59:59.999Z"): 3.0},
    }
    strings = {"t": {JANUARY: "a", JANUARY + 1: "", JANUARY + 2: "ø 漢 \U0001f600", JANUARY + 3: ("b", UNCERTAIN)}}
    exports.fill(numbers)
    exports.fill(strings, strings=True)
    report = exports.export()
    assert exports.rows() == expected(numbers) | expected(strings)
    assert (report.read, report.written, report.deleted, report.mode) == (13, 13, 0, "full")
    types = {name: str(kind) for name, kind in exports.frame().schema.items()}
    assert types == {
        "externalId": "String",
        "_instanceSpace": "String",
        "timestamp": "Datetime(time_unit='us', time_zone='UTC')",
        "value": "Float64",
        "stringValue": "String",
        "statusCode": "Int64",
        "_month": "Date",
    }


def test_not_a_number_with_a_bad_status(exports: Exports) -> None:
    exports.fill({"n": {1: (math.nan, BAD), 2: (-math.inf, BAD), 3: (None, BAD)}})
    exports.export()
    found = exports.rows()
    assert math.isnan(found["n", 1][0])
    assert found["n", 2] == (-math.inf, BAD)
    assert found["n", 3] == (None, BAD)


def test_windows_in_any_order_and_twice_are_one_big_window(exports: Exports) -> None:
    rng = random.Random(5)
    series = {f"s{n}": {JANUARY + rng.randrange(90 * DAY): float(n) for _ in range(200)} for n in range(12)}
    exports.fill(series)
    big = exports.other()
    big.export("2024-01-01", "2024-04-01")
    cuts = ["2024-01-01", "2024-01-05T07:00", "2024-01-31", "2024-02-01", "2024-02-03T00:00:00.001", "2024-04-01"]
    windows = [*pairwise(cuts)] * 2
    rng.shuffle(windows)
    for begin, end in windows:
        exports.export(begin, end)
    assert exports.rows() == big.rows() == expected(series, JANUARY, ms("2024-04-01"))


def test_a_window_follows_corrections_and_deletes_and_leaves_the_rest(exports: Exports) -> None:
    before = {"a": hours(72), "b": hours(72)}
    exports.fill(before)
    exports.export()

    async def edit(source: Side) -> None:
        await source.insert("a", dict.fromkeys(list(hours(72))[:48], 9.0))
        await source.delete("b", JANUARY + DAY, JANUARY + DAY + 3_600_000)

    exports.at_source(edit)
    report = exports.export("2024-01-02", "2024-01-03")
    after = {
        "a": before["a"] | {at: 9.0 for at in before["a"] if DAY <= at - JANUARY < 2 * DAY},
        "b": {at: value for at, value in before["b"].items() if at != JANUARY + DAY},
    }
    assert exports.rows() == expected(after)
    assert (report.written, report.updated, report.deleted) == (47, 47, 1)


def test_only_files_of_the_windows_days_are_touched(exports: Exports) -> None:
    exports.fill({"a": hours(24 * 60)})
    exports.export(partition_by="day")
    before = set(exports.handle().file_uris())
    assert len(before) == 60
    exports.export("2024-01-10", "2024-01-12")
    after = set(exports.handle().file_uris())
    assert sorted(uri.split("_day=")[1][:10] for uri in before - after) == ["2024-01-10", "2024-01-11"]
    assert len(after - before) == 2


def test_files_of_other_hours_of_the_day_stay(exports: Exports) -> None:
    exports.fill({"a": {JANUARY + at * 60_000: 1.0 for at in range(1440)}})
    exports.export("2024-01-01T00:00", "2024-01-01T01:00")
    exports.export("2024-01-01T01:00", "2024-01-01T02:00")
    before = set(exports.handle().file_uris())
    exports.export("2024-01-01T01:00", "2024-01-01T02:00")
    assert len(before & set(exports.handle().file_uris())) == 1
    assert len(exports.rows()) == 120


def test_a_selection_replaces_its_own_series_only(exports: Exports) -> None:
    exports.fill({"a": {1: 1.0}, "b": {1: 1.0}, "c": {1: 1.0}})
    exports.export()
    exports.fill({"a": {1: 2.0}, "b": {1: 2.0}})
    report = exports.export("1970-01-01", "1970-01-02", selection=Selection(external_ids=("a",)))
    assert exports.rows() == {("a", 1): 2.0, ("b", 1): 1.0, ("c", 1): 1.0}
    assert (report.written, report.updated, report.deleted) == (1, 1, 0)
    exports.export(selection=Selection(external_id_prefix="b"))
    assert exports.rows() == {("a", 1): 2.0, ("b", 1): 2.0, ("c", 1): 1.0}


def test_series_that_are_gone_leave_the_table_in_mode_full_only(exports: Exports) -> None:
    exports.fill({"stays": {1: 1.0}, "goes": {1: 1.0}})
    exports.export()
    exports.at_source(lambda source: source.client.post_json("/timeseries/delete", {"items": [{"externalId": "goes"}]}))
    exports.export("1970-01-01", "1970-01-02")
    assert set(exports.rows()) == {("stays", 1), ("goes", 1)}
    assert exports.export().deleted == 1
    assert set(exports.rows()) == {("stays", 1)}


def test_a_source_that_lists_nothing_empties_no_table(exports: Exports) -> None:
    assert exports.export().written == 0
    assert exports.rows() == {}
    exports.fill({"a": {1: 1.0}})
    exports.export()
    exports.at_source(lambda source: source.client.post_json("/timeseries/delete", {"items": [{"externalId": "a"}]}))
    exports.export("1970-01-01", "1970-01-02")
    with pytest.raises(DeleteGuardError, match="lists no time series"):
        exports.export()
    assert set(exports.rows()) == {("a", 1)}


def test_shards_fill_buckets_of_one_table(exports: Exports) -> None:
    series = {f"s{n}": {1: float(n), JANUARY: 2.0} for n in range(40)}
    exports.fill(series)
    for index in (2, 0, 3, 1, 2):
        exports.export("1960-01-01", "2025-01-01", shard=(index, 4))
    assert exports.rows() == expected(series)
    exports.export(shard=(0, 2))
    exports.export()
    assert exports.rows() == expected(series)
    with pytest.raises(ConfigurationError, match="4 buckets, and every shard needs whole ones"):
        exports.export(shard=(0, 3))
    with pytest.raises(ConfigurationError, match="partitioned by month in 4 buckets"):
        exports.export(partition_by="day")


def test_series_of_nodes_are_named_by_space_and_external_id(exports: Exports) -> None:
    node = {"space": "sp", "externalId": "same name"}
    exports.pair.control.add_nodes(exports.pair.source, "timeseries", [{"instanceId": node}])

    async def work(source: Side) -> None:
        await source.make_series("same name")
        [nameless] = (await source.client.post_json("/timeseries", {"items": [{"name": "no key"}]}))["items"]
        await source.insert("same name", {1: 1.0})
        await source.insert(node, {1: 2.0})
        await source.insert(nameless["id"], {1: 3.0})

    exports.at_source(work)
    exports.export()
    exports.export("1970-01-01", "1970-01-02")
    frame = exports.frame().sort("value")
    assert frame["value"].to_list() == [1.0, 2.0, 3.0]
    assert frame["_instanceSpace"].to_list() == [None, "sp", None]
    assert frame["externalId"].to_list()[:2] == ["same name", "same name"]
    assert frame["externalId"].to_list()[2].startswith(f"replicated:{exports.pair.source}:")


def test_the_status_of_good_points_is_there_where_it_is_asked_for(exports: Exports) -> None:
    exports.fill({"a": {1: 1.0, 2: (2.0, UNCERTAIN)}, "b": {1: 1.0}})
    exports.export(include_status=True)
    assert exports.frame().sort("externalId", "timestamp")["statusCode"].to_list() == [0, UNCERTAIN, 0]


def test_numbers_and_strings_in_one_run(exports: Exports) -> None:
    """Row 8 and §1.3: one value column, typed by whatever came first, failed on the other kind."""
    series = {f"n{n}": hours(30) for n in range(5)}
    texts = {f"t{n}": {at: str(value) for at, value in hours(30).items()} for n in range(5)}
    exports.fill(series)
    exports.fill(texts, strings=True)
    exports.export("2024-01-01", "2024-01-03")
    assert exports.rows() == expected(series) | expected(texts)


def test_more_series_than_one_request_holds_each_point_once(exports: Exports) -> None:
    """Their first pages are read together, and what is longer than that goes on alone."""
    series = {f"s{n:03}": hours(2500 if n % 50 == 0 else n % 7) for n in range(130)}
    texts = {f"t{n}": dict.fromkeys(hours(900 if n == 3 else 2), "x" * 300) for n in range(12)}
    exports.fill(series)
    exports.fill(texts, strings=True)
    report = exports.export()
    assert exports.rows() == expected(series) | expected(texts)
    assert report.read == report.written == len(expected(series)) + len(expected(texts))


def test_little_memory_and_few_files_at_a_time(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """More folders than files may be open, row groups of a few rows, files that are full: the same table."""
    for name, value in {"GROUP_BYTES": 800, "HELD_BYTES": 4000, "FILE_BYTES": 20_000, "OPEN_FILES": 3}.items():
        monkeypatch.setattr(spool, name, value)
    series = {name: hours(24 * 12) for name in ("a", "b", "c", "d")}
    texts = {"t": {at: str(at) for at in hours(24 * 12)}}
    exports.fill(series)
    exports.fill(texts, strings=True)
    exports.export(partition_by="day")
    assert exports.rows() == expected(series) | expected(texts)
    assert len(exports.handle().file_uris()) > 12
    exports.fill({"b": dict.fromkeys(hours(24 * 12), 5.0)})
    after = series | {"b": {at: 5.0 if at >= JANUARY + 2 * DAY else value for at, value in series["b"].items()}}
    exports.export("2024-01-03", "2024-02-01", selection=Selection(external_ids=("b",)))
    assert exports.rows() == expected(after) | expected(texts)


def test_on_s3_the_same(exports_to: Callable[[Lake], Exports], s3_lake: Lake) -> None:
    exports = exports_to(s3_lake)
    exports.fill({"a": hours(100), "b": hours(50)})
    exports.export()
    exports.export("2024-01-02T12:00", "2024-01-03")
    exports.export("2024-01-02T06:00", "2024-01-03", selection=Selection(external_ids=("b",)))
    assert exports.rows() == expected({"a": hours(100), "b": hours(50)})
