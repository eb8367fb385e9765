# SPDX-License-Identifier: Apache-2.0
"""What cognite-replicator 1.3.2 gets wrong with datapoints (§6.2 of its reference, h and i)."""

from __future__ import annotations

from airflow_provider_replicator.core.window import Window
from tests.acceptance.projects import Pair

DAY = 86_400_000
#: 2013-01-01, and a day long before 1970.
YEARS_AGO, LONG_AGO = 1_356_998_400_000, -1_500_000_000_000


def test_h_a_first_load_of_points_older_than_five_weeks(pair: Pair) -> None:
    pair.source.create("/timeseries", {"externalId": "s"}, {"externalId": "text", "isString": True})
    pair.source.insert("s", *((YEARS_AGO + n * DAY, float(n)) for n in range(3000)), (LONG_AGO, -1.5), (0, 0.0))
    pair.source.insert("text", (LONG_AGO, "før"), (YEARS_AGO, ""), (YEARS_AGO + DAY, "etter"))
    pair.replicate("time_series")
    report = pair.replicate_points()
    assert report.written == 3005
    for key in ("s", "text"):
        assert pair.target.points(key) == pair.source.points(key)
    pair.verify("time_series", "datapoints")


def test_i_backfilled_corrected_and_deleted_points(pair: Pair) -> None:
    series = pair.source.create("/timeseries", {"externalId": "s"})[0]
    pair.source.insert("s", *((YEARS_AGO + n * DAY, float(n)) for n in range(100)))
    pair.replicate("time_series")
    pair.replicate_points()
    pair.source.insert("s", (YEARS_AGO - 5 * DAY, -5.0), (YEARS_AGO + 10 * DAY, 999.0), (YEARS_AGO + 10 * DAY + 1, 1.0))
    gone = {"id": series["id"], "inclusiveBegin": YEARS_AGO + 50 * DAY, "exclusiveEnd": YEARS_AGO + 60 * DAY}
    pair.source.call("POST", "/timeseries/data/delete", {"items": [gone]})
    pair.replicate_points(mode="window", window=Window(YEARS_AGO - 30 * DAY, YEARS_AGO + 365 * DAY))
    assert pair.target.points("s") == pair.source.points("s")
    assert len(pair.target.points("s")) == 92
    pair.verify("datapoints")
