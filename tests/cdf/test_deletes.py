# SPDX-License-Identifier: Apache-2.0
"""Deletes: what goes, and everything that must not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
from airflow_provider_replicator.cdf.objects import deletes
from airflow_provider_replicator.cdf.objects.deletes import KeySet
from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.exceptions import CdfUnavailableError, DeleteGuardError, PartialReplicationError
from tests.acceptance.projects import Pair, Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Project

Doc = dict[str, Any]


def names(project: Project, path: str = "/events") -> set[str]:
    return set(project.by_key(path))


def twenty(pair: Pair) -> None:
    """Twenty events e0 … e19, replicated; then e3 is deleted at the source."""
    pair.source.create("/events", *({"externalId": f"e{n}", "type": "t"} for n in range(20)))
    pair.replicate("events")
    pair.source.delete("/events", pair.source.by_key("/events")["e3"])


def test_nothing_is_deleted_unless_asked_for(pair: Pair) -> None:
    twenty(pair)
    report = pair.replicate("events")["events"]
    assert (report.deleted, report.unchanged) == (0, 19)
    assert "e3" in names(pair.target)


def test_what_is_missing_goes_and_nothing_else(pair: Pair) -> None:
    twenty(pair)
    pair.target.create("/events", {"externalId": "theirs"}, {"type": "nameless"})
    report = pair.replicate("events", delete_missing=True)["events"]
    assert (report.deleted, report.failed) == (1, 0)
    assert {doc.get("externalId") for doc in pair.target.all("/events")} == {
        None,
        "theirs",
        *(f"e{n}" for n in range(20) if n != 3),
    }
    assert pair.replicate("events", delete_missing=True)["events"].deleted == 0


def test_a_dry_run_counts_and_guards_alike(pair: Pair) -> None:
    twenty(pair)
    report = pair.replicate("events", delete_missing=True, dry_run=True)["events"]
    assert report.deleted == 1
    assert "e3" in names(pair.target)
    with pytest.raises(DeleteGuardError, match=r"1 of 20 objects.*max_delete_fraction=0\.04"):
        pair.replicate("events", delete_missing=True, dry_run=True, max_delete_fraction=0.04)


def test_never_more_than_the_fraction(pair: Pair) -> None:
    twenty(pair)
    for name in ("e5", "e6"):
        pair.source.delete("/events", pair.source.by_key("/events")[name])
    with pytest.raises(DeleteGuardError, match=r"3 of 20 objects .* nothing was"):
        pair.replicate("events", delete_missing=True)
    assert len(names(pair.target)) == 20
    assert pair.replicate("events", delete_missing=True, max_delete_fraction=0.15)["events"].deleted == 3


def test_never_when_the_source_lists_nothing(pair: Pair) -> None:
    twenty(pair)
    for doc in pair.source.all("/events"):
        pair.source.delete("/events", doc)
    with pytest.raises(DeleteGuardError, match="listed nothing"):
        pair.replicate("events", delete_missing=True, max_delete_fraction=1.0)
    assert len(names(pair.target)) == 20


def test_never_when_the_listing_broke_off(pair: Pair) -> None:
    twenty(pair)
    pair.source.sandbox.control.settings(short_pages=5)
    pair.source.sandbox.control.fault(
        path="/events/list", project=pair.source.name, nth=3, times=1000, kind="status", status=503
    )
    with pytest.raises(CdfUnavailableError):
        pair.replicate("events", delete_missing=True, max_delete_fraction=1.0)
    assert len(names(pair.target)) == 20


def test_never_when_something_could_not_be_copied(pair: Pair) -> None:
    twenty(pair)
    pair.source.update("/events", pair.source.by_key("/events")["e0"], type={"set": "new"})
    pair.target.sandbox.control.fault(
        path="/events/update", project=pair.target.name, times=100, kind="status", status=400
    )
    with pytest.raises(PartialReplicationError):
        pair.replicate("events", delete_missing=True)
    assert "e3" in names(pair.target)


def test_never_what_the_source_has_after_all(pair: Pair) -> None:
    """Its list lags behind, or its permissions changed: asked by name, it says that the object is there."""
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(20)), {"type": "nameless"})
    pair.replicate("events")

    class Forgetful(Watched):
        async def send(self, request: HttpRequest) -> HttpResponse:
            answer = await self.inner.send(request)
            if request.path != "/events/list":
                return answer
            body = json.loads(answer.body)
            body["items"] = [item for item in body["items"] if item.get("externalId", "e3") != "e3"]
            return HttpResponse(answer.status, json.dumps(body).encode(), answer.headers)

    pair.wrap["source"] = Forgetful
    report = pair.replicate("events", delete_missing=True)["events"]
    assert (report.read, report.deleted) == (19, 0)
    assert len(pair.target.all("/events")) == 21


def test_a_renamed_object_is_a_new_one_and_the_old_one_goes(pair: Pair) -> None:
    docs = pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(19)), {"type": "nameless"})
    pair.replicate("events")
    pair.source.update("/events", docs[0], externalId={"set": "renamed"})
    pair.source.update("/events", docs[19], externalId={"set": "named"})
    report = pair.replicate("events", delete_missing=True)["events"]
    assert (report.created, report.deleted) == (2, 2)
    assert names(pair.target) == {"renamed", "named", *(f"e{n}" for n in range(1, 19))}


def test_two_sources_and_strangers_in_one_target(project: Callable[[], Project]) -> None:
    target = project()
    pairs = [Pair(project(), target), Pair(project(), target)]
    target.create("/events", {"externalId": "theirs"}, {"externalId": "s0-e1", "type": "adopted"})
    for n, pair in enumerate(pairs):
        pair.source.create("/events", *({"externalId": f"s{n}-e{i}"} for i in range(20)))
        pair.replicate("events")
        pair.source.delete("/events", pair.source.by_key("/events")[f"s{n}-e7"])
    assert pairs[0].replicate("events", delete_missing=True)["events"].deleted == 1
    assert pairs[0].replicate("events", delete_foreign=True, max_delete_fraction=1.0)["events"].deleted == 1
    left = {f"s0-e{i}" for i in range(20) if i != 7} | {f"s1-e{i}" for i in range(20)}
    assert names(target) == left


def test_foreign_objects_go_only_by_their_own_switch(pair: Pair) -> None:
    twenty(pair)
    pair.source.create("/events", {"externalId": "same", "type": "ours"})
    pair.target.create(
        "/events", {"externalId": "theirs"}, {"type": "nameless"}, {"externalId": "same", "type": "theirs"}
    )
    options: Doc = {"delete_foreign": True, "on_conflict": "skip"}
    with pytest.raises(DeleteGuardError, match="2 of 23 objects"):
        pair.replicate("events", **options, max_delete_fraction=0.05)
    report = pair.replicate("events", **options)["events"]
    assert (report.deleted, report.skipped) == (2, {"conflict": 1})
    assert names(pair.target) == {"same", *(f"e{n}" for n in range(20))}
    assert pair.replicate("events", delete_foreign=True, delete_missing=True)["events"].deleted == 1
    assert "e3" not in names(pair.target)


def test_deletes_stay_inside_the_selection(pair: Pair) -> None:
    sets = pair.source.create("/datasets", {"externalId": "A", "name": "A"}, {"externalId": "B", "name": "B"})
    assets = pair.source.create(
        "/assets", {"externalId": "root", "name": "r"}, {"externalId": "leaf", "name": "l", "parentExternalId": "root"}
    )
    docs = [
        {"externalId": f"{letter}{n}", "dataSetId": sets["AB".index(letter)]["id"], "assetIds": [assets[n % 2]["id"]]}
        for letter in "AB"
        for n in range(4)
    ]
    pair.source.create("/events", *docs)
    pair.replicate("data_sets", "assets", "events")
    gone = {"A0", "A1", "B0", "B1"}
    for name in gone:
        pair.source.delete("/events", pair.source.by_key("/events")[name])

    def left(**selection: Any) -> set[str]:
        """What one run with this selection would delete."""
        options: Doc = {"delete_missing": True, "max_delete_fraction": 1.0}
        chosen = Selection(**selection)
        planned = pair.replicate("events", selection=chosen, dry_run=True, **options)["events"].deleted
        before = pair.target.by_key("/events")
        pair.replicate("events", selection=chosen, **options)
        deleted = before.keys() - names(pair.target)
        assert len(deleted) == planned
        for name in deleted:
            kept = ("externalId", "dataSetId", "assetIds", "metadata")
            pair.target.create("/events", {field: before[name][field] for field in kept})
        return set(deleted)

    assert left(external_id_prefix="A") == {"A0", "A1"}
    assert left(exclude_pattern="0$") == {"A1", "B1"}
    assert left(data_set_external_ids=("B",)) == {"B0", "B1"}
    assert left(external_ids=("A0", "A2")) == {"A0"}
    assert left(asset_subtree_external_ids=("leaf",)) == {"A1", "B1"}
    assert left(asset_subtree_external_ids=("leaf",), external_ids=("A1", "B0", "B3")) == {"A1"}
    assert left(asset_subtree_external_ids=("root",), data_set_external_ids=("A",)) == {"A0", "A1"}
    assert left() == gone


def test_an_object_that_left_the_selection_stays(pair: Pair) -> None:
    sets = pair.source.create("/datasets", {"externalId": "A", "name": "A"}, {"externalId": "B", "name": "B"})
    docs = pair.source.create("/events", *({"externalId": f"e{n}", "dataSetId": sets[0]["id"]} for n in range(5)))
    pair.replicate("data_sets", "events")
    pair.source.update("/events", docs[0], dataSetId={"set": sets[1]["id"]})
    selection = Selection(data_set_external_ids=("A",))
    report = pair.replicate("events", selection=selection, delete_missing=True, max_delete_fraction=1.0)["events"]
    assert (report.read, report.deleted) == (4, 0)


def test_assets_go_children_first_and_only_down_to_the_depth(pair: Pair) -> None:
    docs = [{"externalId": "r", "name": "r"}]
    docs += [{"externalId": f"a{n}", "name": "x", "parentExternalId": "r" if n == 0 else f"a{n - 1}"} for n in range(6)]
    pair.source.create("/assets", *docs)
    pair.replicate("assets")
    pair.source.delete("/assets", pair.source.by_key("/assets")["a1"], recursive=True)
    options: Doc = {"delete_missing": True, "max_delete_fraction": 1.0}
    shallow = Selection(asset_subtree_external_ids=("r",), max_depth=1)
    assert pair.replicate("assets", selection=shallow, **options)["assets"].deleted == 0
    report = pair.replicate("assets", **options)["assets"]
    assert (report.deleted, report.failed) == (5, 0)
    assert names(pair.target, "/assets") == {"r", "a0"}


def test_no_parent_is_deleted_before_its_children(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletes, "_DELETE_LIMIT", 1)
    docs = [
        {"externalId": f"a{n}", "name": "x", **({"parentExternalId": f"a{(n - 1) // 2}"} if n else {})}
        for n in range(30)
    ]
    pair.source.create("/assets", *docs, {"externalId": "other", "name": "o"})
    pair.replicate("assets")
    pair.source.delete("/assets", pair.source.by_key("/assets")["a0"], recursive=True)
    report = pair.replicate("assets", delete_missing=True, max_delete_fraction=1.0)["assets"]
    assert (report.deleted, report.failed) == (30, 0)
    assert names(pair.target, "/assets") == {"other"}


def test_an_asset_with_a_foreign_child_stays_and_is_reported(pair: Pair) -> None:
    pair.source.create("/assets", *({"externalId": f"a{n}", "name": "x"} for n in range(10)))
    pair.replicate("assets")
    for name in ("a0", "a1"):
        pair.source.delete("/assets", pair.source.by_key("/assets")[name])
    copy = pair.target.by_key("/assets")["a0"]
    pair.target.create("/assets", {"externalId": "theirs", "name": "t", "parentId": copy["id"]})
    with pytest.raises(PartialReplicationError, match="a0: not deleted") as caught:
        pair.replicate("assets", delete_missing=True, max_delete_fraction=0.5)
    assert (caught.value.report["deleted"], caught.value.report["failed"]) == (1, 1)
    assert names(pair.target, "/assets") == {"theirs", "a0", *(f"a{n}" for n in range(2, 10))}


def test_what_cannot_be_deleted_or_says_not_whose_it_is_stays(pair: Pair) -> None:
    for path in ("/datasets", "/labels"):
        pair.target.create(path, {"externalId": "theirs", "name": "t"})
    options: Doc = {"delete_missing": True, "delete_foreign": True, "max_delete_fraction": 1.0}
    reports = pair.replicate("data_sets", "labels", **options)
    assert {report.deleted for report in reports.values()} == {0}
    assert names(pair.target, "/datasets") == names(pair.target, "/labels") == {"theirs"}


def test_copies_of_the_older_tool_without_a_name_are_known_by_the_source_id(pair: Pair) -> None:
    docs = pair.source.create("/events", {"type": "kept"}, {"externalId": "e"})
    for number in (docs[0]["id"], 12345):
        stamp = {"_replicatedSource": pair.source.name, "_replicatedTime": "1", "_replicatedInternalId": str(number)}
        pair.target.create("/events", {"type": "kept" if number != 12345 else "gone", "metadata": stamp})
    report = pair.replicate("events", delete_missing=True, max_delete_fraction=0.5)["events"]
    assert (report.updated, report.created, report.deleted) == (1, 1, 1)
    assert {doc.get("type") for doc in pair.target.all("/events")} == {"kept", None}


def test_a_key_set() -> None:
    keys = KeySet("p")
    assert keys.missing(["a"]) == [True]
    keys.add([{"id": 1}, {"id": 2, "externalId": "a"}, {"externalId": "label"}])
    assert len(keys) == 3
    assert keys.missing(["a", "replicated:p:1", "replicated:p:2", "label", "b"]) == [False, False, True, False, True]
    keys.add([{"id": 2}])
    assert keys.missing(["replicated:p:2"]) == [False]
