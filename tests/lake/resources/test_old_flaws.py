# SPDX-License-Identifier: Apache-2.0
"""What the older replicators to Delta did wrong, each on the path where it went wrong there.

Elsewhere: watermarks on the time of creation, and ties (test_windows); raw tables that never advanced (test_raw); two runs at once and
crashes (test_killed); success whatever had happened (the tests of the operator).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.cdf import listing

if TYPE_CHECKING:
    from tests.lake.resources.exports import Exports

WINDOW = (0, 4_000_000_000_000)


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


def test_each_window_of_each_selection_is_complete_in_itself(exports: Exports) -> None:
    """One watermark for all data sets lost what another one had been ahead of."""
    for name in ("one", "two"):
        data_set = exports.project.create("/datasets", {"externalId": name})[0]["id"]
        exports.project.create("/events", {"externalId": name, "dataSetId": data_set})
    exports.export("events", WINDOW, data_set_external_ids=("two",))
    exports.export("events", WINDOW, data_set_external_ids=("one",))
    assert set(exports.by("externalId", "events")) == {"one", "two"}


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
