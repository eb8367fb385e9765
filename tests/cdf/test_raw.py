# SPDX-License-Identifier: Apache-2.0
"""Raw over a real socket: tables by wildcard, every row, windows, deletes and their guards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.cdf.options import RawOptions, Selection
from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.cdf.raw import write as raw_write
from airflow_provider_replicator.cdf.raw.replicate import replicate_raw
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError, DeleteGuardError
from tests.cdf.streams import Side, new_pair, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair

Table = tuple[str, str]
Rows = dict[str, Any]
ODD: Table = ("db/with #", "æ ø & ?%")


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Iterator[Pair]:
    yield new_pair(box)
    box.control.settings(short_pages=0)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rows take the paths that a million take."""
    monkeypatch.setattr(raw_copy, "PAGE", 20)
    monkeypatch.setattr(raw_write, "MAX_ROWS", 20)


def _path(table: Table) -> str:
    return f"/raw/dbs/{quote(table[0], safe='')}/tables/{quote(table[1], safe='')}/rows"


async def put(side: Side, table: Table, rows: Rows) -> None:
    items = [{"key": key, "columns": columns} for key, columns in rows.items()]
    await side.client.post_json(f"{_path(table)}?ensureParent=true", {"items": items})


async def drop(side: Side, table: Table, *keys: str) -> None:
    await side.client.post_json(f"{_path(table)}/delete", {"items": [{"key": key} for key in keys]})


async def everything(side: Side) -> dict[Table, Rows]:
    found: dict[Table, Rows] = {}
    for database in (await side.client.get_json("/raw/dbs", params={"limit": 1000}))["items"]:
        path = f"/raw/dbs/{quote(database['name'], safe='')}/tables"
        for table in (await side.client.get_json(path, params={"limit": 1000}))["items"]:
            name = (database["name"], table["name"])
            found[name] = await rows_of(side, name)
    return found


async def rows_of(side: Side, table: Table) -> Rows:
    found: Rows = {}
    cursor = None
    while True:
        answer = await side.client.get_json(_path(table), params={"limit": 10_000, "cursor": cursor})
        found |= {row["key"]: row["columns"] for row in answer["items"]}
        cursor = answer.get("nextCursor")
        if not cursor:
            return found


async def copy_rows(source: Side, target: Side, **options: Any) -> Report:
    return await replicate_raw(source=source.client, target=target.client, options=RawOptions(**options))


def numbered(count: int, value: Any = 0) -> Rows:
    return {f"r{number:04}": {"n": number, "value": value} for number in range(count)}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("short_pages", [0, 7])
def test_databases_tables_and_rows_are_copied_and_a_second_run_writes_nothing(pair: Pair, short_pages: int) -> None:
    async def work(source: Side, target: Side) -> None:
        await put(source, ("a", "long"), numbered(107))
        await put(source, ("a", "short"), numbered(3))
        await put(source, ODD, {"nøkkel/?&": {"x": None, "deep": {"y": [1, "ß"]}}, "": {}})
        await source.client.post_json("/raw/dbs/b/tables?ensureParent=true", {"items": [{"name": "empty"}]})
        await source.client.post_json("/raw/dbs", {"items": [{"name": "no tables"}]})
        pair.control.settings(short_pages=short_pages)
        first = await copy_rows(source, target)
        assert (first.read, first.written, first.unchanged) == (112, 112, 0)
        assert await everything(target) == await everything(source)
        names = [item["name"] for item in (await target.client.get_json("/raw/dbs", params={"limit": 1000}))["items"]]
        assert "no tables" in names
        again = await copy_rows(source, target)
        assert (again.written, again.unchanged) == (0, 112)

    pair.run(work)


@pytest.mark.usefixtures("small_pages")
def test_only_rows_that_differ_are_written(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, numbered(100))
        await put(target, table, numbered(50) | {"theirs": {"x": 1}})
        await put(target, table, {"r0007": {"n": 7, "value": "other"}})
        report = await copy_rows(source, target)
        assert (report.written, report.unchanged, report.deleted) == (51, 49, 0)
        assert await rows_of(target, table) == numbered(100) | {"theirs": {"x": 1}}

    pair.run(work)


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        ({"databases": ("prod_*",)}, {("prod_1", "pumps"), ("prod_1", "valves"), ("prod_2", "pumps")}),
        ({"tables": ("pumps",)}, {("prod_1", "pumps"), ("prod_2", "pumps"), ("test", "pumps")}),
        ({"tables": ("prod_?/pump[s]",)}, {("prod_1", "pumps"), ("prod_2", "pumps")}),
        ({"databases": ("test", "prod_2"), "tables": ("*",)}, {("prod_2", "pumps"), ("test", "pumps")}),
        ({"databases": ("PROD_*",)}, set()),
        ({"selection": Selection(exclude_pattern="^test/|valve")}, {("prod_1", "pumps"), ("prod_2", "pumps")}),
    ],
)
def test_tables_are_chosen_by_wildcards(pair: Pair, options: dict[str, Any], copied: set[Table]) -> None:
    async def work(source: Side, target: Side) -> None:
        for table in (("prod_1", "pumps"), ("prod_1", "valves"), ("prod_2", "pumps"), ("test", "pumps")):
            await put(source, table, numbered(2))
        await copy_rows(source, target, **options)
        assert set(await everything(target)) == copied

    pair.run(work)


def test_a_selection_that_raw_cannot_follow_is_an_error(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        with pytest.raises(ConfigurationError, match="external_id_prefix says nothing about raw rows"):
            await copy_rows(source, target, selection=Selection(external_id_prefix="x"))

    pair.run(work)


@pytest.mark.usefixtures("small_pages")
def test_a_window_copies_what_changed_in_it(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, numbered(60))
        await copy_rows(source, target)
        pair.control.advance(3_600_000)
        start = pair.control.now_ms()
        await put(source, table, {f"r{number:04}": {"changed": 1} for number in range(30)})
        end = pair.control.now_ms() + 1
        pair.control.advance(1000)
        await put(source, table, {"r0050": {"changed": "too late"}})
        await drop(source, table, "r0059")
        window = Window(start, end)
        report = await copy_rows(source, target, mode="window", window=window, overlap_ms=0)
        assert (report.read, report.written) == (30, 30)
        expected = numbered(60) | {f"r{number:04}": {"changed": 1} for number in range(30)}
        assert await rows_of(target, table) == expected, "a window does not see deletes, nor what came later"
        again = await copy_rows(source, target, mode="window", window=window)
        assert (again.read, again.written, again.unchanged) == (30, 0, 30)

    pair.run(work)


def test_a_window_reads_what_changed_shortly_before_it_again(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, {"before": {}})
        pair.control.advance(60_000)
        now = pair.control.now_ms()
        window = Window(now, now + 1000)
        without = await copy_rows(source, target, mode="window", window=window, overlap_ms=30_000)
        assert without.read == 0
        overlapping = await copy_rows(source, target, mode="window", window=window, overlap_ms=120_000)
        assert overlapping.written == 1

    pair.run(work)


def test_a_window_that_begins_before_time_is_everything_until_its_end(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await put(source, ("a", "t"), numbered(3))
        report = await copy_rows(source, target, mode="window", window=Window(-5, pair.control.now_ms() + 1000))
        assert report.written == 3

    pair.run(work)


@pytest.mark.usefixtures("small_pages")
def test_rows_that_the_source_no_longer_has_are_deleted_if_that_is_asked_for(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, numbered(100))
        await put(target, ("a", "not in the source"), numbered(5))
        await copy_rows(source, target)
        await drop(source, table, "r0001", "r0050", "r0099")
        planned = await copy_rows(source, target, delete_missing=True, dry_run=True)
        assert (planned.deleted, len(await rows_of(target, table))) == (3, 100)
        report = await copy_rows(source, target, delete_missing=True)
        assert (report.deleted, report.written) == (3, 0)
        assert await rows_of(target, table) == await rows_of(source, table)
        assert await rows_of(target, ("a", "not in the source")) == numbered(5), "the run does not cover that table"

    pair.run(work)


def test_too_many_deletes_are_none(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, numbered(20))
        await copy_rows(source, target)
        await drop(source, table, "r0000", "r0001", "r0002")
        await put(source, table, {"new": {}})
        with pytest.raises(DeleteGuardError, match="3 of 20 rows"):
            await copy_rows(source, target, delete_missing=True)
        assert len(await rows_of(target, table)) == 21, "nothing is deleted, everything else is copied"
        report = await copy_rows(source, target, delete_missing=True, max_delete_fraction=0.2)
        assert report.deleted == 3

    pair.run(work)


def test_an_emptied_table_is_left_alone(pair: Pair) -> None:
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        await put(source, table, numbered(3))
        await copy_rows(source, target)
        await drop(source, table, "r0000", "r0001", "r0002")
        with pytest.raises(DeleteGuardError, match=r"none in the source \(a/t\)"):
            await copy_rows(source, target, delete_missing=True, max_delete_fraction=1.0)
        assert len(await rows_of(target, table)) == 3

    pair.run(work)


def test_a_dry_run_creates_and_writes_nothing(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await put(source, ("a", "t"), numbered(3))
        report = await copy_rows(source, target, dry_run=True)
        assert (report.read, report.written) == (3, 3)
        assert await everything(target) == {}

    pair.run(work)


def test_long_rows_are_read_and_written_in_smaller_portions(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_copy, "_PAGE_BYTES", 20_000)
    monkeypatch.setattr(raw_copy, "PAGE", 50)
    monkeypatch.setattr(raw_write, "_MAX_BODY", 30_000)
    table = ("a", "t")

    async def work(source: Side, target: Side) -> None:
        rows = {f"r{number:03}": {"text": "x" * 1000} for number in range(120)} | {"zzz": {"text": "y" * 50_000}}
        await put(source, table, rows)
        pair.control.reset_counters()
        await copy_rows(source, target)
        assert await rows_of(target, table) == rows
        sent = pair.requests()["target POST /raw/dbs/{dbName}/tables/{tableName}/rows"]
        assert 5 <= sent <= 10, "121 rows are one request by number, and six by bytes"

    pair.run(work)


def test_somebody_else_may_create_the_same_table(pair: Pair) -> None:
    """The answer of the creation is lost: the second attempt is told that it exists."""

    async def work(source: Side, target: Side) -> None:
        await put(source, ("a", "t"), numbered(3))
        for path in ("/raw/dbs", "/raw/dbs/a/tables"):
            pair.control.fault(path=path, method="POST", project=pair.target, kind="reset_after_commit")
        await copy_rows(source, target)
        assert await rows_of(target, ("a", "t")) == numbered(3)

    pair.run(work)
