# SPDX-License-Identifier: Apache-2.0
"""A table that follows a subscription holds what its series hold."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError
from airflow_provider_replicator.lake.datapoints import feed as feed_module
from airflow_provider_replicator.lake.datapoints.changes import decoded
from tests.cdf.streams import BAD, UNCERTAIN, Side
from tests.lake.datapoints.tables import DAY, Exports, Rows, ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.cdf.protobuf.columns import Points
    from airflow_provider_replicator.lake.location import Lake

JANUARY = ms("2024-01-01")
FEED = "datapoints_feed"


def at_source(exports: Exports, *series: str) -> Rows:
    """What the series hold now."""

    async def work(source: Side) -> Rows:
        return {(key, at): value for key in series for at, value in (await source.points(key)).items()}

    rows: Rows = exports.at_source(work)
    return rows


def test_the_first_run_reads_everything_and_the_next_ones_the_changes(exports: Exports) -> None:
    exports.fill({"a": {JANUARY + n: float(n) for n in range(500)}, "b": {JANUARY: 1.0}, "other": {1: 1.0}})
    exports.subscribe("a", "b")
    first = exports.follow()
    assert exports.rows(FEED) == at_source(exports, "a", "b")
    assert (first.mode, first.written, first.deleted) == ("feed", 501, 0)
    exports.fill({"a": {JANUARY: 7.0, JANUARY + 90 * DAY: (None, BAD)}, "b": {JANUARY + 1: 2.0}})
    exports.delete("a", JANUARY + 100, JANUARY + 200)
    second = exports.follow()
    assert exports.rows(FEED) == at_source(exports, "a", "b")
    assert second.deleted == 100
    assert second.written <= 501 + 3  # what was changed in the ten minutes before the first run is told again
    third = exports.follow()
    assert (third.read, third.written, third.deleted) == (0, 0, 0)


def test_order_decides_within_one_answer(exports: Exports) -> None:
    """Rows 15 and 16: duplicates of one flush became two rows, deletes were ignored."""
    exports.fill({"a": {0: 0.0}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": {1: 1.0, 2: 1.0, 3: 1.0}})
    exports.fill({"a": {1: 2.0}})
    exports.delete("a", 2, 3)
    exports.fill({"a": {3: 3.0}})
    exports.delete("a", 3, 4)
    exports.fill({"a": {3: 4.0}})
    exports.delete("a", 0, 1)
    exports.follow()
    assert exports.rows(FEED) == {("a", 1): 2.0, ("a", 3): 4.0}


def test_strings_states_and_series_of_nodes(exports: Exports) -> None:
    node = {"space": "sp", "externalId": "n"}
    exports.pair.control.add_nodes(exports.pair.source, "timeseries", [{"instanceId": node}])
    exports.fill({"t": {1: "old"}}, strings=True)
    exports.post(
        "/timeseries/subscriptions",
        {"externalId": "sub", "partitionCount": 1, "timeSeriesIds": ["t"], "instanceIds": [node]},
    )
    exports.follow(include_status=True)
    exports.at_source(lambda source: source.insert(node, {5: 5.0}))
    exports.fill({"t": {1: "new", 2: ""}}, strings=True)
    exports.follow(include_status=True)
    frame = exports.frame(FEED).sort("externalId", "timestamp")
    assert frame.select("externalId", "_instanceSpace", "value", "stringValue", "statusCode").rows() == [
        ("n", "sp", 5.0, None, 0),
        ("t", None, None, "new", 0),
        ("t", None, None, "", 0),
    ]


def test_points_that_become_bad_or_uncertain_or_lose_their_value(exports: Exports) -> None:
    """Status codes were not asked for: bad and uncertain points never came, and a good one that became bad stayed good."""
    exports.fill({"a": {1: 1.0, 2: 2.0, 3: 3.0, 4: (4.0, UNCERTAIN), 5: (None, BAD)}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": {1: (1.5, BAD), 2: (None, BAD), 3: (3.5, UNCERTAIN), 4: 4.5, 5: 5.0, 6: (6.0, BAD)}})
    exports.follow()
    assert exports.rows(FEED) == at_source(exports, "a")
    assert exports.rows(FEED) == {
        ("a", 1): (1.5, BAD),
        ("a", 2): (None, BAD),
        ("a", 3): (3.5, UNCERTAIN),
        ("a", 4): 4.5,
        ("a", 5): 5.0,
        ("a", 6): (6.0, BAD),
    }


def test_a_series_without_an_external_id_ends_nothing(exports: Exports) -> None:
    """It was looked up by the external id that it did not have, and that was the end, for the other series as well."""
    exports.fill({"b": {1: 1.0}})
    [unnamed] = exports.post("/timeseries", {"name": "wanted"})["items"]
    exports.post("/timeseries/update", {"externalId": "b", "update": {"name": {"set": "wanted too"}}})
    exports.subscribe(filter={"prefix": {"property": ["name"], "value": "wanted"}})
    exports.follow()
    exports.at_source(lambda source: source.insert(unnamed["id"], {2: 2.0}))
    exports.fill({"b": {2: 3.0}})
    exports.follow()
    found = exports.rows(FEED)
    assert {at: value for (key, at), value in found.items() if key != "b"} == {2: 2.0}
    assert {at: value for (key, at), value in found.items() if key == "b"} == {1: 1.0, 2: 3.0}


def test_a_series_that_joins_later_is_read_in_whole(exports: Exports) -> None:
    exports.fill({"a": {1: 1.0}, "late": dict.fromkeys(range(300), 1.0)})
    exports.subscribe("a")
    exports.pair.control.advance(3_600_000)  # the run must not see its creation in the ten minutes before
    exports.follow()
    joined = {"externalId": "sub", "update": {"timeSeriesIds": {"add": ["late"]}}}
    exports.post("/timeseries/subscriptions/update", joined)
    exports.fill({"late": {1000: 2.0}})
    exports.follow()
    assert exports.rows(FEED) == at_source(exports, "a", "late")


@pytest.mark.parametrize("on_removed", ["keep", "delete"])
def test_series_that_leave(exports: Exports, on_removed: str) -> None:
    exports.fill({"a": {1: 1.0}, "b": {1: 1.0}})
    exports.subscribe("a", "b")
    exports.follow(on_removed=on_removed)
    left = {"externalId": "sub", "update": {"timeSeriesIds": {"remove": ["b"]}}}
    exports.post("/timeseries/subscriptions/update", left)
    report = exports.follow(on_removed=on_removed)
    kept = {("a", 1): 1.0} | ({("b", 1): 1.0} if on_removed == "keep" else {})
    assert exports.rows(FEED) == kept
    assert report.deleted == 2 - len(kept)


def test_after_a_week_everything_is_read_again(exports: Exports) -> None:
    """Row 16: updates older than seven days are gone, and nobody noticed."""
    exports.fill({"a": {1: 1.0, 2: 2.0}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": {3: 3.0}})
    exports.delete("a", 1, 2)
    exports.pair.control.advance(8 * DAY)
    try:
        exports.fill({"a": {4: 4.0}})
        exports.follow()
        assert exports.rows(FEED) == {("a", 2): 2.0, ("a", 3): 3.0, ("a", 4): 4.0}
        assert exports.follow().read <= 1
    finally:
        exports.pair.control.resume()


def test_cursors_that_are_a_week_old_are_not_trusted(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.follow()
    assert exports.follow().read == 0
    monkeypatch.setattr(feed_module, "KEPT_SECONDS", 0)
    assert exports.follow().read > 0


def test_a_subscription_that_was_made_anew_is_another_one(exports: Exports) -> None:
    exports.fill({"a": {1: 1.0}})
    exports.subscribe("a")
    exports.follow()
    exports.post("/timeseries/subscriptions/delete", {"externalId": "sub"})
    exports.fill({"a": {2: 2.0}})
    exports.subscribe("a")
    exports.follow()
    assert exports.rows(FEED) == at_source(exports, "a")


def test_a_subscription_is_made_where_it_is_missing(exports: Exports) -> None:
    exports.fill({f"s{n}": {1: 1.0} for n in range(250)})
    with pytest.raises(ConfigurationError, match="no datapoint subscription 'sub'"):
        exports.follow()
    exports.follow(create_subscription={"timeSeriesIds": [f"s{n}" for n in range(250)], "partitionCount": 3})
    assert len(exports.rows(FEED)) == 250
    wanted = {"prefix": {"property": ["externalId"], "value": "s1"}}
    exports.follow("by filter", create_subscription={"filter": wanted}, table_name="ones")
    assert len(exports.rows("ones")) == 111


def test_batches_of_any_size_give_the_same_table(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model: upserts, corrections and deletes of several series, read in pages and commits of any size."""
    rng = random.Random(11)
    names = ["a", "b", "c"]
    exports.fill({name: {} for name in names} | {"a": {1: 1.0}})
    exports.subscribe(*names)
    for _ in range(6):
        for _ in range(rng.randrange(1, 12)):
            name = rng.choice(names)
            if rng.random() < 0.3:
                begin = rng.randrange(80)
                exports.delete(name, begin * DAY, (begin + rng.randrange(1, 9)) * DAY)
            else:
                exports.fill({name: {rng.randrange(80) * DAY: rng.random() for _ in range(9)}})
        monkeypatch.setattr(feed_module, "_PAGE", rng.choice([1, 20, 50_000]))
        exports.follow(batch_points=rng.choice([1, 15, 10_000]))
        assert exports.rows(FEED) == at_source(exports, *names)


def test_new_points_touch_no_old_file(exports: Exports) -> None:
    exports.fill({"a": {JANUARY + n: 1.0 for n in range(100)}})
    exports.subscribe("a")
    exports.pair.control.advance(3_600_000)
    exports.follow()
    before = set(exports.handle(FEED).file_uris())
    exports.fill({"a": {JANUARY + 1000: 1.0}})
    exports.follow()
    assert before < set(exports.handle(FEED).file_uris())


def test_on_s3(exports_to: Callable[[Lake], Exports], s3_lake: Lake) -> None:
    exports = exports_to(s3_lake)
    exports.fill({"a": {1: 1.0, 2: 2.0}})
    exports.subscribe("a")
    exports.follow()
    exports.fill({"a": {1: 3.0}})
    exports.delete("a", 2, 3)
    exports.follow()
    assert exports.rows(FEED) == {("a", 1): 3.0}


def test_an_update_that_cannot_be_read_is_a_dead_letter(
    exports: Exports, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exports.fill({"a": {1: 1.0}, "b": {1: 1.0}})
    exports.subscribe("a", "b")
    exports.follow()
    exports.fill({"a": {2: 66.0}, "b": {2: 2.0}})

    def picky(points: list[dict[str, Any]], *, text: bool) -> Points:
        if any(point.get("value") == 66.0 for point in points):
            raise ValueError("no number")
        return decoded(points, text=text)

    monkeypatch.setattr(feed_module, "decoded", picky)
    with pytest.raises(PartialReplicationError, match="a: ValueError: no number"):
        exports.follow(dead_letter_path=str(tmp_path / "letters"))
    assert exports.rows(FEED) == {("a", 1): 1.0, ("b", 1): 1.0, ("b", 2): 2.0}
    [letter] = [json.loads(line) for line in (tmp_path / "letters").read_text().splitlines()]
    assert letter["document"]["upserts"] == [{"timestamp": 2, "value": 66.0}]
