# SPDX-License-Identifier: Apache-2.0
"""Objects of every type from one project into another, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.listing import pages
from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.exceptions import CdfRequestError, ConfigurationError, PartialReplicationError
from tests.acceptance.projects import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.report import Report
    from tests.acceptance.projects import Project

Doc = dict[str, Any]
ALL = ("data_sets", "labels", "assets", "events", "time_series")
PATHS = {
    "data_sets": "/datasets",
    "labels": "/labels",
    "assets": "/assets",
    "events": "/events",
    "time_series": "/timeseries",
}
PROVENANCE = {"_replicatedSource", "_replicatedTime", "_replicatedInternalId", "_replicatedUnlinked"}


def everything(source: Project) -> dict[str, list[Doc]]:
    """A few objects of each type that use every field there is."""
    sets = source.create(
        "/datasets",
        {"externalId": "ds", "name": "n", "description": "d", "metadata": {"k": "v"}, "writeProtected": True},
        {"name": "without external id"},
    )
    labels = source.create(
        "/labels",
        {"externalId": "pump", "name": "Pump", "description": "d", "dataSetId": sets[0]["id"]},
        {"externalId": "valve", "name": "Valve"},
    )
    location = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [5.5, 60.0]}, "properties": {"a": 1}}
    assets = source.create(
        "/assets",
        {
            "externalId": "root",
            "name": "root",
            "geoLocation": location,
            "source": "s",
            "labels": [{"externalId": "pump"}],
        },
        {"name": "without", "parentExternalId": "root", "dataSetId": sets[0]["id"], "metadata": {"ü": "ø"}},
    )
    assets += source.create("/assets", {"externalId": "leaf", "name": "leaf", "parentId": assets[1]["id"]})
    ids = [asset["id"] for asset in assets]
    events = source.create(
        "/events",
        {
            "externalId": "e",
            "startTime": 0,
            "endTime": 5,
            "type": "t",
            "subtype": "s",
            "description": "d",
            "assetIds": ids,
        },
        {"startTime": 7, "dataSetId": sets[1]["id"], "metadata": {"k": "v"}, "source": "s"},
        {},
    )
    series = source.create(
        "/timeseries",
        {"externalId": "s", "name": "n", "unit": "bar", "description": "d", "assetId": ids[1], "isStep": True},
        {"isString": True, "dataSetId": sets[1]["id"], "unitExternalId": "pressure:bar"},
    )
    return {"data_sets": sets, "labels": labels, "assets": assets, "events": events, "time_series": series}


def accounted(report: Report) -> None:
    """Whatever was read is somewhere."""
    done = report.created + report.updated + report.unchanged + report.failed + sum(report.skipped.values())
    assert report.read == done, report


def test_everything_and_then_nothing(pair: Pair) -> None:
    made = everything(pair.source)
    first = pair.replicate(*ALL)
    for name, report in first.items():
        assert (report.read, report.created) == (len(made[name]),) * 2
        assert (report.updated, report.unlinked, report.failed, report.without_provenance) == (0, 0, 0, 0)
        accounted(report)
    pair.verify(*ALL)
    before = {name: pair.target.all(path) for name, path in PATHS.items()}
    second = pair.replicate(*ALL)
    for name, report in second.items():
        assert (report.unchanged, report.created, report.updated) == (len(made[name]), 0, 0)
    assert {name: pair.target.all(path) for name, path in PATHS.items()} == before


def test_a_dry_run_says_what_would_happen(pair: Pair) -> None:
    made = everything(pair.source)
    planned = pair.replicate(*ALL, dry_run=True)
    assert {name: report.created for name, report in planned.items()} == {
        name: len(docs) for name, docs in made.items()
    }
    assert all(pair.target.all(path) == [] for path in PATHS.values())
    pair.replicate(*ALL)
    pair.source.update("/assets", made["assets"][0], name={"set": "new"})
    pair.source.update("/assets", made["assets"][2], parentId={"set": made["assets"][0]["id"]})
    pair.source.create("/assets", {"externalId": "more", "name": "m", "parentExternalId": "leaf"})
    report = pair.replicate("assets", dry_run=True)["assets"]
    assert (report.dry_run, report.created, report.updated, report.unchanged) == (True, 1, 2, 1)
    assert pair.target.by_key("/assets")["root"]["name"] == "root"
    done = pair.replicate("assets")["assets"]
    assert (done.created, done.updated, done.unchanged) == (1, 2, 1)


def test_provenance_is_text_and_the_time_is_before_the_first_read(pair: Pair) -> None:
    (event,) = pair.source.create("/events", {"externalId": "e"})
    before = pair.source.sandbox.control.now_ms()
    pair.replicate("events")
    metadata = pair.target.by_key("/events")["e"]["metadata"]
    assert metadata["_replicatedSource"] == pair.source.name
    assert metadata["_replicatedInternalId"] == str(event["id"])
    assert before <= int(metadata["_replicatedTime"]) <= pair.source.sandbox.control.now_ms()


def test_an_update_writes_only_what_differs_and_when(pair: Pair) -> None:
    made = everything(pair.source)
    pair.replicate(*ALL)
    before = pair.target.by_key("/events")["e"]
    pair.source.update("/events", made["events"][0], type={"set": "changed"}, endTime={"setNull": True})
    report = pair.replicate("events")["events"]
    assert (report.updated, report.unchanged) == (1, 2)
    after = pair.target.by_key("/events")["e"]
    assert after["type"] == "changed"
    assert "endTime" not in after
    assert int(after["metadata"]["_replicatedTime"]) > int(before["metadata"]["_replicatedTime"])
    pair.verify("events")


def test_a_label_that_differs_is_replaced(pair: Pair) -> None:
    pair.source.create("/labels", {"externalId": "l", "name": "new"})
    pair.target.create("/labels", {"externalId": "l", "name": "old"}, {"externalId": "theirs", "name": "x"})
    pair.target.create("/assets", {"externalId": "a", "name": "a", "labels": [{"externalId": "l"}]})
    assert pair.replicate("labels")["labels"].updated == 1
    assert {key: doc["name"] for key, doc in pair.target.by_key("/labels").items()} == {"l": "new", "theirs": "x"}
    assert pair.target.by_key("/assets")["a"]["labels"] == [{"externalId": "l"}]
    assert pair.replicate("labels")["labels"].unchanged == 1


def test_a_renamed_data_set_is_followed(pair: Pair) -> None:
    docs = pair.source.create(
        "/datasets", {"externalId": "a", "name": "1"}, {"externalId": "b", "name": "2"}, {"name": "3"}
    )
    pair.replicate("data_sets")
    pair.source.update("/datasets", docs[0], externalId={"set": "c"})
    pair.source.update("/datasets", docs[2], externalId={"set": "d"})
    assert pair.replicate("data_sets")["data_sets"].updated == 2
    assert sorted(pair.target.by_key("/datasets")) == ["b", "c", "d"]
    pair.source.update("/datasets", docs[1], externalId={"set": "x"})
    pair.source.update("/datasets", docs[0], externalId={"set": "b"})
    pair.replicate("data_sets")
    pair.replicate("data_sets")
    assert {key: doc["name"] for key, doc in pair.target.by_key("/datasets").items()}.items() >= {
        "b": "1",
        "x": "2",
    }.items()


def test_a_chain_of_projects(project: Callable[[], Project], pair: Pair) -> None:
    everything(pair.source)
    third = Pair(pair.target, project())
    for _ in range(2):
        pair.replicate(*ALL)
        last = third.replicate(*ALL)
    assert all(report.created == report.updated == 0 for report in last.values())
    for doc in third.target.all("/assets"):
        assert doc["metadata"]["_replicatedSource"] == pair.target.name
        assert {name for name in doc["metadata"] if name.startswith("_")} <= PROVENANCE
    third.verify(*ALL)


@pytest.mark.parametrize(("on_conflict", "name"), [("adopt", "ours"), ("skip", "theirs"), ("fail", "theirs")])
def test_an_object_of_the_same_name_that_somebody_else_made(pair: Pair, on_conflict: Any, name: str) -> None:
    pair.source.create(
        "/assets", {"externalId": "a", "name": "ours"}, {"externalId": "b", "name": "b", "parentExternalId": "a"}
    )
    pair.target.create("/assets", {"externalId": "a", "name": "theirs", "metadata": {"keep": "me"}})
    if on_conflict == "fail":
        with pytest.raises(PartialReplicationError, match="not replicated from this source"):
            pair.replicate("assets", on_conflict=on_conflict)
    else:
        report = pair.replicate("assets", on_conflict=on_conflict)["assets"]
        assert (report.created, report.updated, report.skipped.get("conflict", 0)) == (
            (1, 1, 0) if on_conflict == "adopt" else (1, 0, 1)
        )
        accounted(report)
    there = pair.target.by_key("/assets")
    assert there["a"]["name"] == name
    assert ("_replicatedSource" in there["a"]["metadata"]) == (on_conflict == "adopt")
    assert there["b"]["parentId"] == there["a"]["id"]


def test_series_that_must_not_be_copied_are_counted(pair: Pair) -> None:
    pair.source.create("/timeseries", {"externalId": "open"}, {"externalId": "secret", "securityCategories": [1]})
    report = pair.replicate("time_series")["time_series"]
    assert report.skipped == {"security_categories": 1}
    assert set(pair.target.by_key("/timeseries")) == {"open"}
    accounted(report)


def test_skip_nonasset_and_skip_unlinkable(pair: Pair) -> None:
    assets = pair.source.create("/assets", {"externalId": "a", "name": "a"}, {"externalId": "late", "name": "late"})
    pair.replicate("assets", selection=Selection(external_ids=("a",)))
    ids = [asset["id"] for asset in assets]
    pair.source.create(
        "/events",
        {"externalId": "both", "assetIds": ids},
        {"externalId": "none"},
        {"externalId": "unlinkable", "assetIds": ids[1:]},
    )
    report = pair.replicate("events", skip_nonasset=True, skip_unlinkable=True)["events"]
    assert report.skipped == {"nonasset": 1, "unlinkable": 1}
    assert (report.created, report.unlinked) == (1, 1)
    assert set(pair.target.by_key("/events")) == {"both"}
    accounted(report)


def test_copies_without_room_for_provenance_are_counted_and_left_alone_after(pair: Pair) -> None:
    pair.source.create("/assets", {"externalId": "full", "name": "f", "metadata": {"k": "x" * 10_239}}, {"name": "b"})
    report = pair.replicate("assets")["assets"]
    assert (report.created, report.without_provenance) == (2, 1)
    again = pair.replicate("assets", on_conflict="fail")["assets"]
    assert (again.unchanged, again.without_provenance) == (2, 1)


def test_replicas_of_the_older_tool_are_continued(pair: Pair) -> None:
    named, nameless = pair.source.create("/events", {"externalId": "e", "type": "t"}, {"type": "u", "assetIds": []})
    for doc in (named, nameless):
        stamp = {
            "_replicatedSource": pair.source.name,
            "_replicatedTime": "1500000000000",
            "_replicatedInternalId": str(doc["id"]),
        }
        fields: Doc = {name: doc[name] for name in ("externalId", "type") if name in doc}
        pair.target.create("/events", {**fields, "metadata": stamp})
    before = {doc["type"]: doc["id"] for doc in pair.target.all("/events")}
    report = pair.replicate("events")["events"]
    assert (report.created, report.updated, report.unchanged) == (0, 1, 1)
    after = {doc["type"]: doc for doc in pair.target.all("/events")}
    assert {name: doc["id"] for name, doc in after.items()} == before
    assert after["u"]["externalId"] == f"replicated:{pair.source.name}:{nameless['id']}"
    assert pair.replicate("events")["events"].unchanged == 2


def test_selection_by_prefix_pattern_data_set_and_name(pair: Pair) -> None:
    (chosen, _) = pair.source.create(
        "/datasets", {"externalId": "chosen", "name": "c"}, {"externalId": "other", "name": "o"}
    )
    pair.replicate("data_sets")
    docs = [{"externalId": name, "dataSetId": chosen["id"]} for name in ("a1", "a2", "a3-test", "b1")]
    pair.source.create("/events", *docs, {"externalId": "a4"}, {"dataSetId": chosen["id"]})

    def run(**selection: Any) -> tuple[set[str], dict[str, int]]:
        report = pair.replicate("events", selection=Selection(**selection), dry_run=True)["events"]
        accounted(report)
        real = pair.replicate("events", selection=Selection(**selection))["events"]
        assert (real.read, real.skipped) == (report.read, report.skipped)
        found = set(pair.target.by_key("/events"))
        for doc in pair.target.all("/events"):
            pair.target.delete("/events", doc)
        return found, real.skipped

    nameless = next(
        f"replicated:{pair.source.name}:{d['id']}" for d in pair.source.all("/events") if "externalId" not in d
    )
    assert run(external_id_prefix="a") == ({"a1", "a2", "a3-test", "a4"}, {})
    assert run(exclude_pattern="test$|4$") == ({"a1", "a2", "b1", nameless}, {"excluded": 2})
    assert run(data_set_external_ids=("chosen",)) == ({"a1", "a2", "a3-test", "b1", nameless}, {})
    assert run(external_id_prefix="a", data_set_external_ids=("chosen",)) == ({"a1", "a2", "a3-test"}, {})
    found, skipped = run(external_ids=("a1", "b1", "a4"), external_id_prefix="a", data_set_external_ids=("chosen",))
    assert (found, skipped) == ({"a1"}, {"not_selected": 2})


def test_selected_names_that_do_not_exist(pair: Pair) -> None:
    pair.source.create("/events", {"externalId": "e"})
    report = pair.replicate("events", selection=Selection(external_ids=("e", "gone")))["events"]
    assert (report.created, report.skipped) == (1, {"not_in_source": 1})
    for selection in (
        Selection(external_ids=("gone",)),
        Selection(data_set_external_ids=("gone",)),
        Selection(asset_subtree_external_ids=("gone",)),
    ):
        with pytest.raises(ConfigurationError, match=r"gone|none of the 1"):
            pair.replicate("events", selection=selection)


def test_selected_data_sets_select_themselves(pair: Pair) -> None:
    pair.source.create("/datasets", *({"externalId": name, "name": name} for name in "abc"))
    pair.replicate("data_sets", selection=Selection(data_set_external_ids=("b", "c")))
    assert set(pair.target.by_key("/datasets")) == {"b", "c"}


@pytest.mark.parametrize("partitions", [1, 4, 10])
def test_pages_brings_everything_once(pair: Pair, partitions: int) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(120)))
    pair.source.sandbox.control.settings(short_pages=7)

    async def read(source: CdfClient, _: CdfClient) -> list[str]:
        body = {"filter": {"externalIdPrefix": "e1"}}
        return [
            doc["externalId"] async for page in pages(source, "/events", body, partitions=partitions) for doc in page
        ]

    names = [f"e{n}" for n in range(120) if str(n).startswith("1")]
    assert sorted(pair.run(read)) == sorted(names)


def test_pages_fail_with_what_went_wrong_and_may_be_left_early(pair: Pair) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(30)))
    pair.source.sandbox.control.settings(short_pages=2)

    async def leave(source: CdfClient, _: CdfClient) -> int:
        listing = pages(source, "/events", partitions=5)
        first = [page async for page in _first(listing)]
        await listing.aclose()  # type: ignore[attr-defined]
        return len(first) + len([task for task in asyncio.all_tasks() if "one_page" in repr(task)])

    assert pair.run(leave) == 1

    async def wrong(source: CdfClient, _: CdfClient) -> None:
        async for _page in pages(source, "/events", {"filter": {"nonsense": 1}}, partitions=3):
            pass

    with pytest.raises(CdfRequestError, match="nonsense"):
        pair.run(wrong)


async def _first(listing: Any) -> Any:
    async for page in listing:
        yield page
        return


@pytest.mark.parametrize("resource", ALL)
def test_short_pages_and_slow_lists(pair: Pair, resource: str) -> None:
    """Pages of a few items, and lists that lag behind: everything arrives all the same."""
    made = everything(pair.source)
    pair.source.sandbox.control.settings(short_pages=1)
    order = ALL[: ALL.index(resource) + 1]
    pair.replicate(*order)
    assert len(pair.target.all(PATHS[resource])) == len(made[resource])
    pair.verify(resource)
