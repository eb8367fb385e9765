# SPDX-License-Identifier: Apache-2.0
"""What ends up in the target, over a real socket: every point, in every mode, and nothing written twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import DeleteGuardError, PartialReplicationError
from tests.cdf.streams import BAD, END, FIRST, UNCERTAIN, Side, copy_points, new_pair, sandbox, series_on_both

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.cdf.streams import Pair

DAY = 86_400_000
NOW = 1_700_000_000_000

#: Everything a series can hold.
NUMBERS: dict[int, Any] = {
    FIRST: 1.0,
    -1: -0.0,
    0: 0.0,
    1: 1e100,
    5: -1e100,
    NOW - 400 * DAY: 0.1,
    NOW: (2.5, UNCERTAIN),
    NOW + 1: (None, BAD),
    NOW + 2: (7.0, BAD),
    END - 1: 3.0,
}
TEXTS: dict[int, Any] = {FIRST: "første", 0: "", NOW: ("x" * 1023, UNCERTAIN), NOW + 1: (None, BAD), END - 1: "last"}


@pytest.fixture(scope="module")
def box() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def pair(box: RunningSandbox) -> Pair:
    return new_pair(box)


@pytest.mark.parametrize("options", [{}, {"resume": False}, {"window": Window(FIRST - 5, END + 5), "mode": "window"}])
def test_every_kind_of_point_is_copied_and_a_second_run_writes_nothing(pair: Pair, options: dict[str, Any]) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "numbers", "more numbers")
        await series_on_both(source, target, "texts", isString=True)
        await source.insert("numbers", NUMBERS)
        await source.insert("texts", TEXTS, strings=True)

        first = await copy_points(source, target, **options)
        assert await target.points("numbers") == await source.points("numbers") == NUMBERS
        assert await target.points("texts") == await source.points("texts") == TEXTS
        assert first.written == first.read == len(NUMBERS) + len(TEXTS)

        second = await copy_points(source, target, **options)
        assert (second.written, second.deleted) == (0, 0)

    pair.run(work)


def test_a_first_load_goes_back_further_than_five_weeks(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        old = {NOW - age * DAY: float(age) for age in (4000, 3999, 100, 36, 1)}
        await source.insert("a", old)
        await copy_points(source, target)
        assert await target.points("a") == old

    pair.run(work)


def test_back_filled_corrected_and_deleted_points_in_a_window(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a", "b")
        points = {NOW + at * 1000: float(at) for at in range(100)}
        for key in ("a", "b"):
            await source.insert(key, points)
        window = Window(NOW, NOW + 100_000)
        await copy_points(source, target, window=window, mode="window")

        await source.insert("a", {NOW + 500: 0.5})  # back-filled
        await source.insert("a", {NOW + 20_000: -1.0})  # corrected
        await source.insert("a", {NOW + 30_000: (30.0, UNCERTAIN)})  # its status corrected
        await source.delete("a", NOW + 50_000, NOW + 53_000)  # deleted
        await source.insert("b", {NOW + 200_000: 1.0})  # outside the window
        await target.insert("b", {NOW - 1: 9.0, NOW + 100_000: 9.0})  # outside the window

        report = await copy_points(source, target, window=window, mode="window")
        assert (report.written, report.deleted, report.unchanged) == (3, 3, 98 - 3 + 100)
        assert await target.points("a") == await source.points("a")
        assert await target.points("b") == points | {NOW - 1: 9.0, NOW + 100_000: 9.0}

        again = await copy_points(source, target, window=window, mode="window")
        assert (again.written, again.deleted) == (0, 0)

    pair.run(work)


def test_the_same_without_a_window_in_mode_full(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.insert("a", {at: float(at) for at in range(100)})
        await copy_points(source, target)
        await source.insert("a", {-7: 7.0, 50: 50.5, 200: 200.0})
        await source.delete("a", 10, 12)

        resumed = await copy_points(source, target)
        assert resumed.deleted == 0

        report = await copy_points(source, target, resume=False)
        assert report.deleted == 2
        assert await target.points("a") == await source.points("a")

    pair.run(work)


def test_mirror_can_be_turned_off(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.insert("a", {1: 1.0, 3: 3.0})
        await target.insert("a", {1: 1.5, 2: 2.0})
        report = await copy_points(source, target, resume=False, mirror=False)
        assert (report.written, report.deleted) == (2, 0)
        assert await target.points("a") == {1: 1.0, 2: 2.0, 3: 3.0}

    pair.run(work)


def test_without_a_window_each_series_goes_on_after_its_own_last_point(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a", "future", "empty")
        await source.insert("a", {1: 1.0, 2: 2.0})
        await source.insert("future", {END - 5: 1.0})
        await copy_points(source, target)
        await source.insert("a", {3: 3.0})
        await source.insert("future", {END - 4: 2.0})
        await source.insert("empty", {-1: 1.0})
        report = await copy_points(source, target)
        assert (report.mode, report.read, report.written) == ("resume", 3, 3)
        for key in ("a", "future", "empty"):
            assert await target.points(key) == await source.points(key)

    pair.run(work)


def test_a_series_that_is_filled_in_part_is_filled_anew(pair: Pair) -> None:
    """What a first load leaves that was killed and never retried: later pages are there, the oldest is not."""

    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a", "b")
        points = {at * 1000: float(at) for at in range(1, 100)}
        await source.insert("a", points)
        await source.insert("b", points)
        await target.insert("a", {stamp: value for stamp, value in points.items() if 20_000 <= stamp < 40_000})
        await target.insert("b", {stamp: value for stamp, value in points.items() if stamp < 40_000})
        report = await copy_points(source, target)
        assert await target.points("a") == await target.points("b") == points
        assert report.written == 99 + 60

    pair.run(work)


def test_a_series_that_the_target_lacks_or_has_otherwise_is_a_dead_letter(pair: Pair, tmp_path: Path) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "fine")
        await source.make_series("missing", "other kind")
        await target.make_series("other kind", isString=True)
        for key in ("fine", "missing", "other kind"):
            await source.insert(key, {1: 1.0})
        letters = tmp_path / "letters.jsonl"
        with pytest.raises(PartialReplicationError) as caught:
            await copy_points(source, target, dead_letter_path=str(letters))
        report = caught.value.report
        assert (report["failed"], report["written"]) == (2, 1)
        assert sorted(report["dead_letters"]) == [
            "missing: not in the target: run CdfReplicateTimeSeries first",
            "other kind: the series is numeric in the source and string in the target",
        ]
        assert {json.loads(line)["key"] for line in letters.read_text().splitlines()} == {"missing", "other kind"}
        assert await target.points("fine") == {1: 1.0}
        relaxed = await copy_points(source, target, max_failed=2)
        assert relaxed.failed == 2

    pair.run(work)


def test_series_of_data_model_nodes_are_addressed_by_their_node(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        nodes = [{"instanceId": {"space": "plant", "externalId": "pump"}}]
        for project in (pair.source, pair.target):
            pair.control.add_nodes(project, "timeseries", nodes)
        await source.insert(nodes[0]["instanceId"], {1: 1.0, 2: 2.0})
        await copy_points(source, target)
        assert await target.points(nodes[0]["instanceId"]) == {1: 1.0, 2: 2.0}
        await source.insert(nodes[0]["instanceId"], {2: 2.5})
        await source.delete(nodes[0]["instanceId"], 1, 2)
        report = await copy_points(source, target, resume=False)
        assert (report.written, report.deleted) == (1, 1)
        assert await target.points(nodes[0]["instanceId"]) == {2: 2.5}

    pair.run(work)


def test_a_series_without_external_id_gets_the_key_of_its_copy(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        answer = await source.client.post_json("/timeseries", {"items": [{"name": "nameless"}]})
        number = answer["items"][0]["id"]
        key = f"replicated:{pair.source}:{number}"
        await target.make_series(key)
        await source.insert(number, {1: 1.0})
        await copy_points(source, target)
        assert await target.points(key) == {1: 1.0}

    pair.run(work)


def test_a_dry_run_reports_the_plan_and_writes_nothing(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await series_on_both(source, target, "a")
        await source.make_series("not there yet")
        await source.insert("a", {1: 1.0, 2: 2.0})
        await source.insert("not there yet", {1: 1.0})
        await target.insert("a", {2: 2.0, 3: 3.0})
        report = await copy_points(source, target, resume=False, dry_run=True)
        assert (report.written, report.deleted, report.unchanged) == (2, 1, 1)
        assert report.skipped == {"series_not_in_the_target_yet": 1}
        assert await target.points("a") == {2: 2.0, 3: 3.0}

    pair.run(work)


def test_series_whose_source_is_empty_keep_their_points_unless_that_is_allowed(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        keys = [f"s{number}" for number in range(5)]
        await series_on_both(source, target, *keys)
        for key in keys:
            await source.insert(key, {1: 1.0, 2: 2.0})
        await copy_points(source, target)
        await source.delete("s0", FIRST, END)
        await source.delete("s1", 2, 3)
        await source.insert("s2", {2: 2.5})
        with pytest.raises(DeleteGuardError, match=r"1 of 5 series .* Nothing was deleted"):
            await copy_points(source, target, resume=False)
        assert await target.points("s0") == await target.points("s1") == {1: 1.0, 2: 2.0}
        assert await target.points("s2") == {1: 1.0, 2: 2.5}, "everything else is copied"
        report = await copy_points(source, target, resume=False, max_delete_fraction=0.2)
        assert report.deleted == 3
        assert await target.points("s0") == {}
        assert await target.points("s1") == {1: 1.0}

    pair.run(work)


def test_an_empty_source_deletes_nothing(pair: Pair) -> None:
    async def work(source: Side, target: Side) -> None:
        await target.make_series("a")
        await target.insert("a", {1: 1.0})
        report = await copy_points(source, target, resume=False)
        assert (report.read, report.deleted) == (0, 0)
        assert await target.points("a") == {1: 1.0}

    pair.run(work)
