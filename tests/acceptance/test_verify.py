# SPDX-License-Identifier: Apache-2.0
"""Verification finds every kind of difference, at the level that promises to, and reads only.

The target is written by hand here: what replication does is judged elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Doc, Pair

LEVELS = ("counts", "keys", "content", "full")
HOUR = 3_600_000


def stamped(pair: Pair, doc: Doc, **fields: Any) -> Doc:
    """What a copy of ``doc`` looks like in the target, with ``fields`` on top."""
    made = ("id", "createdTime", "lastUpdatedTime", "rootId", "type", "parentId", "dataSetId", "assetId", "assetIds")
    copy = {
        name: value for name, value in doc.items() if name not in made or (name == "type" and "isString" not in doc)
    }
    key = doc.get("externalId", f"replicated:{pair.source.name}:{doc['id']}")
    metadata = {
        **doc.get("metadata", {}),
        "_replicatedSource": pair.source.name,
        "_replicatedTime": "1",
        "_replicatedInternalId": str(doc["id"]),
    }
    return {**copy, "externalId": key, "metadata": metadata, **fields}


def found(pair: Pair, *resources: str, **options: Any) -> list[str]:
    """The differences that verification reports."""
    try:
        pair.verify(*resources, **options)
    except VerificationError as error:
        return error.differences or ["an error without a difference"]
    return []


@pytest.fixture
def copied(pair: Pair) -> Pair:
    """A little project and a faithful copy of it."""
    source, target = pair.source, pair.target
    data_set = source.create("/datasets", {"externalId": "set", "name": "set"})[0]
    data_set_copy = target.create("/datasets", stamped(pair, data_set))[0]
    root = source.create("/assets", {"externalId": "root", "name": "root", "dataSetId": data_set["id"]})[0]
    child = source.create("/assets", {"name": "child", "parentId": root["id"], "metadata": {"k": "v"}})[0]
    root_copy = target.create("/assets", stamped(pair, root, dataSetId=data_set_copy["id"]))[0]
    child_copy = target.create("/assets", stamped(pair, child, parentExternalId="root"))[0]
    event = source.create("/events", {"externalId": "e", "type": "t", "assetIds": [child["id"], root["id"]]})[0]
    target.create("/events", stamped(pair, event, assetIds=[root_copy["id"], child_copy["id"]]))
    series = source.create("/timeseries", {"externalId": "s", "unit": "bar", "assetId": child["id"]})[0]
    target.create("/timeseries", stamped(pair, series, assetId=child_copy["id"]))
    text = source.create("/timeseries", {"externalId": "text", "isString": True})[0]
    target.create("/timeseries", stamped(pair, text))
    for project in (source, target):
        project.insert("s", *((n * HOUR, n * 1.5) for n in range(-200, 200)))
        project.insert("text", (-5, "før"), (0, ""), (5, "etter"))
        project.call("POST", "/raw/dbs/db/tables/t%2F1/rows?ensureParent=true", {"items": [row(n) for n in range(30)]})
    return pair


def row(n: int, **columns: Any) -> Doc:
    return {"key": f"r{n}", "columns": {"n": n, "text": "å", **columns}}


EVERYTHING = ("data_sets", "labels", "assets", "events", "time_series", "datapoints", "raw")


@pytest.mark.parametrize("level", LEVELS)
def test_a_faithful_copy_is_equal(copied: Pair, level: str) -> None:
    report = copied.verify(*EVERYTHING, level=level)
    counts = {name: (verdict.source, verdict.target) for name, verdict in report.resources.items()}
    points = 400 if level in ("counts", "keys") else 403  # string series are not counted below level content
    assert counts == {
        "data_sets": (1, 1),
        "labels": (0, 0),
        "assets": (2, 2),
        "events": (1, 1),
        "time_series": (2, 2),
        "datapoints": (points, points),
        "raw": (30, 30),
    }
    assert report.different == 0


def test_it_only_reads(copied: Pair) -> None:
    control = copied.source.sandbox.control
    control.reset_counters()
    for level in LEVELS:
        copied.verify(*EVERYTHING, level=level)
    reads = ("/list", "/byids", "/aggregate", "/latest")
    writes = [
        request
        for request in control.counters()["requests"]
        if " POST " in request and not request.endswith(reads) and copied.target.name in request
    ]
    assert writes == []


CHANGES: dict[str, tuple[str, Callable[[Pair], Any]]] = {
    "a missing object": ("assets", lambda pair: pair.target.delete("/events", pair.target.by_key("/events")["e"])),
    "a changed field": (
        "events",
        lambda pair: pair.target.update("/events", pair.target.by_key("/events")["e"], type={"set": "other"}),
    ),
    "a field too many": (
        "time_series",
        lambda pair: pair.target.update("/timeseries", pair.target.by_key("/timeseries")["s"], name={"set": "x"}),
    ),
    "a link too few": (
        "events",
        lambda pair: pair.target.update("/events", pair.target.by_key("/events")["e"], assetIds={"set": []}),
    ),
    "changed metadata": (
        "assets",
        lambda pair: pair.target.update(
            "/assets", pair.target.by_key("/assets")["root"], metadata={"add": {"k": "other"}, "remove": []}
        ),
    ),
    "another data set": (
        "assets",
        lambda pair: pair.target.update("/assets", pair.target.by_key("/assets")["root"], dataSetId={"setNull": True}),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_object_is_found(copied: Pair, change: str) -> None:
    CHANGES[change][1](copied)
    missing = change == "a missing object"
    for level in LEVELS:
        (text,) = found(copied, *EVERYTHING, level=level) or ("",)
        if level in ("content", "full") or missing:
            assert text, level
        else:
            assert not text, level


def test_a_moved_asset_is_found(copied: Pair) -> None:
    other = copied.target.create("/assets", {"externalId": "other", "name": "other"})[0]
    child = next(doc for doc in copied.target.all("/assets") if doc["name"] == "child")
    copied.target.update("/assets", child, parentId={"set": other["id"]})
    (text,) = found(copied, "assets", level="content")
    assert "parent is 'root' in the source, 'other' in the target" in text


def test_what_only_the_target_has_is_counted_and_on_demand_a_difference(copied: Pair) -> None:
    gone = copied.source.create("/events", {"externalId": "gone"})[0]
    copied.target.create("/events", stamped(copied, gone), {"externalId": "foreign"})
    copied.source.delete("/events", gone)
    report = copied.verify("events", level="keys", allow_extra=True)
    assert (report.resources["events"].extra, report.different) == (1, 0)
    (text,) = found(copied, "events", level="keys", allow_extra=False)
    assert text.startswith("events: gone is in the target")


def test_extra_objects_outside_the_selection_are_none_of_its_business(copied: Pair) -> None:
    gone = copied.source.create("/events", {"externalId": "x-gone"})[0]
    copied.target.create("/events", stamped(copied, gone))
    copied.source.delete("/events", gone)
    inside, outside = Selection(external_id_prefix="x-"), Selection(external_id_prefix="e")
    assert found(copied, "events", selection=inside)
    assert not found(copied, "events", selection=outside)
    assert found(copied, "events", selection=Selection(external_ids=("e", "x-gone")))
    assert not found(copied, "events", selection=Selection(exclude_pattern="^x-"))


def test_a_selection_limits_what_is_compared(copied: Pair) -> None:
    copied.target.delete("/events", copied.target.by_key("/events")["e"])
    assert not found(copied, "events", selection=Selection(exclude_pattern="^e$"))
    assert found(copied, "events", selection=Selection(asset_subtree_external_ids=("root",)))
    assert found(copied, "events", selection=Selection(external_ids=("e",)))


def test_a_window_limits_objects_by_their_last_change(copied: Pair) -> None:
    now = copied.source.sandbox.control.now_ms()
    event = copied.source.create("/events", {"externalId": "new"})[0]
    assert not found(copied, "events", window=Window(0, event["lastUpdatedTime"]))
    (text,) = found(copied, "events", window=Window(now - 1, event["lastUpdatedTime"] + 1))
    assert "new is missing" in text


def test_an_unlinked_copy_is_counted_but_no_difference(copied: Pair) -> None:
    asset = copied.source.create("/assets", {"externalId": "late", "name": "late"})[0]
    event = copied.source.create("/events", {"externalId": "f", "assetIds": [asset["id"]]})[0]
    copy = stamped(copied, event)
    copied.target.create("/events", copy | {"metadata": copy["metadata"] | {"_replicatedUnlinked": "true"}})
    report = copied.verify("events", level="content")
    assert report.resources["events"].unlinked == 1


@pytest.mark.parametrize("series", ["s", "text"])
@pytest.mark.parametrize("change", ["missing", "changed", "added", "status"])
def test_a_changed_point_is_found(copied: Pair, series: str, change: str) -> None:
    target = copied.target
    value = "other" if series == "text" else 77.0
    if change == "missing":
        item = {"externalId": series, "inclusiveBegin": 0}
        target.call("POST", "/timeseries/data/delete", {"items": [item]})
    elif change == "status":
        point = {"timestamp": 0, "value": "" if series == "text" else 0.0, "status": {"code": 0x40000000}}
        target.call("POST", "/timeseries/data", {"items": [{"externalId": series, "datapoints": [point]}]})
    else:
        target.insert(series, (0 if change == "changed" else 1, value))
    (text,) = found(copied, "datapoints", level="full")
    assert text.startswith(f"datapoints: {series} at 1970-01-01T00:00:00")
    assert found(copied, "datapoints", level="content")
    counted = {"missing", "added", "status"} if series == "s" else set()
    assert bool(found(copied, "datapoints", level="keys")) == (change in counted)
    assert bool(found(copied, "datapoints", level="counts")) == (change in counted)


def test_a_window_limits_points_to_the_millisecond(copied: Pair) -> None:
    copied.target.insert("s", (10 * HOUR + 7, 1.0))
    for level in LEVELS:
        assert not found(copied, "datapoints", level=level, window=Window(-50 * HOUR - 1, 10 * HOUR + 7)), level
        assert not found(copied, "datapoints", level=level, window=Window(10 * HOUR + 8, 50 * HOUR + 3)), level
        assert found(copied, "datapoints", level=level, window=Window(10 * HOUR + 7, 10 * HOUR + 8)), level
        assert found(copied, "datapoints", level=level, window=Window(-3 * HOUR + 5, 150 * HOUR)), level


def test_a_series_without_a_copy_is_a_difference(copied: Pair) -> None:
    copied.source.create("/timeseries", {"externalId": "new"})
    (text,) = found(copied, "datapoints")
    assert "new: there is no such series" in text


@pytest.mark.parametrize("change", ["missing", "changed", "extra", "table"])
def test_a_changed_raw_row_is_found(copied: Pair, change: str) -> None:
    path = "/raw/dbs/db/tables/t%2F1/rows"
    if change == "missing":
        copied.target.call("POST", f"{path}/delete", {"items": [{"key": "r7"}]})
    elif change == "table":
        copied.target.call("POST", "/raw/dbs/db/tables/delete", {"items": [{"name": "t/1"}]})
    else:
        changed = row(7, text="b") if change == "changed" else row(99)
        copied.target.call("POST", path, {"items": [changed]})
    for level in LEVELS:
        texts = found(copied, "raw", level=level)
        assert bool(texts) == (change != "changed" or level in ("content", "full")), level
        assert all("db/t/1" in text for text in texts)
    assert bool(found(copied, "raw", tables=["other*"])) is False


def test_only_the_first_differences_are_named_but_all_are_counted(pair: Pair) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(2500)))
    with pytest.raises(VerificationError) as caught:
        pair.verify("events", max_differences=3)
    assert len(caught.value.differences) == 3
    assert caught.value.report["resources"]["events"]["different"] == 2500


def test_unknown_names_are_refused_before_anything_is_asked(pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="datapoints"):
        pair.verify("points")
    with pytest.raises(ConfigurationError, match="counts, keys, content, full"):
        pair.verify("assets", level="deep")


def test_what_replication_leaves_out_is_listed_not_different(pair: Pair) -> None:
    asset = pair.source.create("/assets", {"externalId": "a", "name": "a"})[0]
    pair.source.create("/events", {"externalId": "with", "assetIds": [asset["id"]]}, {"externalId": "without"})
    pair.source.create("/timeseries", {"externalId": "s", "assetId": asset["id"]}, {"externalId": "t"})
    pair.source.insert("s", (1, 1.0))
    skips = {"skip_unlinkable": True, "skip_nonasset": True}
    pair.replicate("events", "time_series", **skips)
    assert pair.target.all("/events") == []
    report = pair.verify("events", "time_series", "datapoints", **skips)
    for verdict in report.resources.values():
        assert (verdict.left_out, verdict.different) == ({"unlinkable": 1, "nonasset": 1}, 0)
    assert len(found(pair, "events")) == 2


def test_series_that_cannot_be_copied_are_left_out(pair: Pair) -> None:
    pair.source.create("/timeseries", {"externalId": "secret", "securityCategories": [1]})
    report = pair.verify("time_series", "datapoints")
    for verdict in report.resources.values():
        assert verdict.left_out == {"security_categories": 1}


def test_conflicts_are_left_out_where_replication_skips_them(pair: Pair) -> None:
    for project, name in ((pair.source, "ours"), (pair.target, "theirs")):
        project.create("/events", {"externalId": "e", "type": name})
        project.create("/labels", {"externalId": "l", "name": name})
    pair.replicate("events", "labels", on_conflict="skip")
    report = pair.verify("events", "labels", on_conflict="skip")
    assert {name: verdict.left_out for name, verdict in report.resources.items()} == {
        "events": {"conflict": 1},
        "labels": {"conflict": 1},
    }
    assert len(found(pair, "events", "labels")) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_source_changed_since_is_left_out(copied: Pair, level: str) -> None:
    source = copied.source
    as_of = source.sandbox.control.now_ms() + 1000
    source.sandbox.control.advance(5 * HOUR)
    source.update("/events", source.by_key("/events")["e"], type={"set": "newer"})
    source.create("/assets", {"externalId": "newer", "name": "newer"})
    source.create("/timeseries", {"externalId": "newer"})
    source.insert("s", (as_of + 1, 1.0), (as_of + HOUR, 2.0))
    source.call("POST", "/raw/dbs/db/tables/t%2F1/rows", {"items": [row(7, text="newer"), row(99)]})
    source.call("POST", "/raw/dbs/db/tables/newer/rows?ensureParent=true", {"items": [row(1)]})
    assert found(copied, *EVERYTHING, level=level)
    report = copied.verify(*EVERYTHING, level=level, as_of=as_of)
    if level != "counts":
        assert report.resources["events"].left_out == {"changed_since": 1}
    # What was there before is still compared.
    copied.target.delete("/timeseries", copied.target.by_key("/timeseries")["text"])
    (first, *_) = found(copied, *EVERYTHING, level=level, as_of=as_of)
    assert "text is missing" in first
