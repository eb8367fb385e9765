# SPDX-License-Identifier: Apache-2.0
"""What the older replicators to Delta did wrong, each on the path where it went wrong there.

Elsewhere: watermarks on the time of creation, and ties (test_windows); raw tables that never advanced (test_raw); two runs at once and
crashes (test_killed); success whatever had happened (the tests of the operator).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf import listing
from airflow_provider_replicator.cdf.raw import copy as raw_copy

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from tests.lake.resources.exports import Exports

WINDOW = (0, 4_000_000_000_000)
T0 = 1_800_000_000_000
HOUR = 3_600_000


def test_a_second_time_series_and_one_without_a_unit(exports: Exports) -> None:
    """Its table was merged on a column ``timestamp`` that it did not have, so the second series ended everything. Rows with any null
    were dropped, and the metadata had the keys of the first series.
    """
    create = exports.project.create
    create("/timeseries", {"externalId": "a", "unit": "bar", "metadata": {"k": "1"}})
    assert exports.export("timeseries", WINDOW).created == 1
    create("/timeseries", {"externalId": "b", "metadata": {"other": "2"}}, {"externalId": "c"})
    exports.export("timeseries", WINDOW)
    rows = exports.by("externalId", "timeseries")
    assert {key: (row.get("unit"), row.get("metadata")) for key, row in rows.items()} == {
        "a": ("bar", {"k": "1"}),
        "b": (None, {"other": "2"}),
        "c": (None, None),
    }


def test_files_beyond_the_default_limit_of_a_list(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were listed with the API's default limit and without a time, for ever, and merged on a key that did not exist."""
    monkeypatch.setattr(listing, "PAGE", 50)
    for number in range(120):
        exports.project.call("POST", "/files", {"externalId": f"f{number}", "name": "n"})
    report = exports.export("files", WINDOW)
    assert (report.read, report.created) == (120, 120)
    later = (exports.clock.now_ms() + 10_000_000, 4_000_000_000_000)
    assert exports.export("files", later).read == 0
    assert exports.export("files").updated == 120
    assert len(exports.by("id", "files")) == 120


def test_a_page_of_raw_rows_that_ends_with_the_newest(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a page's last row was taken for the newest: rows of later pages, which were older, were never asked for."""
    monkeypatch.setattr(raw_copy, "PAGE", 10)
    exports.clock.freeze(T0)
    exports.put_rows("d/t", {f"k{number:02}": {"n": number} for number in range(35)})
    exports.clock.freeze(T0 + HOUR)
    exports.put_rows("d/t", {"k09": {"n": -1}})
    exports.put_rows("d/u", {"k": {"n": 1}})
    exports.clock.freeze(T0 + 2 * HOUR)
    first = exports.export_raw((T0, T0 + 2 * HOUR))
    assert (first.read, first.created) == (36, 36)
    assert exports.export_raw((T0 + 2 * HOUR, T0 + 3 * HOUR)).read == 0
    expected = {f"k{number:02}": f'{{"n":{-1 if number == 9 else number}}}' for number in range(35)}
    assert {key: row["columns"] for key, row in exports.by("_key", "raw/d/t").items()} == expected
    assert set(exports.by("_key", "raw/d/u")) == {"k"}


def test_an_object_that_changes_long_after_it_was_made(exports: Exports) -> None:
    """Events were asked for by the time of their creation: no change ever came after the first export."""
    exports.clock.freeze(T0)
    made = exports.project.create("/events", *({"externalId": f"e{number}", "type": "old"} for number in range(3)))
    exports.export("events", (T0, T0 + HOUR))
    exports.clock.freeze(T0 + 5 * HOUR)
    exports.project.update("/events", made[0], type={"set": "new"})
    exports.clock.freeze(T0 + 6 * HOUR)
    report = exports.export("events", (T0 + 5 * HOUR, T0 + 6 * HOUR))
    assert (report.read, report.updated) == (1, 1)
    rows = exports.by("externalId", "events")
    assert {key: row["type"] for key, row in rows.items()} == {"e0": "new", "e1": "old", "e2": "old"}


def test_each_window_of_each_selection_is_complete_in_itself(exports: Exports) -> None:
    """One watermark for all data sets lost what another one had been ahead of."""
    for name in ("one", "two"):
        data_set = exports.project.create("/datasets", {"externalId": name})[0]["id"]
        exports.project.create("/events", {"externalId": name, "dataSetId": data_set})
    exports.export("events", WINDOW, data_set_external_ids=("two",))
    exports.export("events", WINDOW, data_set_external_ids=("one",))
    assert set(exports.by("externalId", "events")) == {"one", "two"}


def test_two_runs_of_one_window_at_once(exports: Exports) -> None:
    """Two instances appended the same events, each by the watermark that it had read when it started."""
    exports.project.create("/events", *({"externalId": f"e{number}"} for number in range(10)))

    async def both() -> None:
        async def second(first: CdfClient) -> None:
            post, waiting = first.post_json, [WINDOW]

            async def held(path: str, payload: Any) -> Any:
                answer = await post(path, payload)
                if path == "/events/list" and waiting:
                    window = waiting.pop()
                    report = await exports.connected(lambda other: exports.exporting(other, "events", window))
                    assert report.created == 10
                return answer

            first.post_json = held  # type: ignore[method-assign]
            assert (await exports.exporting(first, "events", WINDOW)).created == 0

        await exports.connected(second)

    asyncio.run(both())
    assert sorted(row["externalId"] for row in exports.rows("events")) == [f"e{number}" for number in range(10)]


def test_the_counts_add_up(exports: Exports) -> None:
    made = exports.project.create("/events", *({"externalId": f"e{n}"} for n in range(30)))
    report = exports.export("events", WINDOW)
    assert (report.read, report.written, report.created, report.updated, report.unchanged) == (30, 30, 30, 0, 0)
    exports.project.update("/events", made[0], description={"set": "x"})
    exports.project.delete("/events", made[1])
    report = exports.export("events")
    table = exports.rows("events")
    assert len(table) == report.read == report.written == report.created + report.updated == 29
    assert (report.deleted, report.requests["source"] > 0, report.bytes > 1000) == (1, True, True)
    assert [one["version"] for one in report.tables] == [exports.table("events").version()]
