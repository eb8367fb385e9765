# SPDX-License-Identifier: Apache-2.0
"""What cognite-replicator 1.3.2 gets wrong with objects, each as a test that passes here. The letters are those of
``reference/cognite-replicator.md`` §6.2.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import PartialReplicationError, ReplicatorError
from tests.acceptance.projects import Pair, Project, Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def once_after_first_list(pair: Pair, path: str, edit: Callable[[], None]) -> None:
    """Run ``edit`` right after the source has answered its first list request."""
    pending = [edit]

    def after(request: HttpRequest, _: HttpResponse) -> None:
        if request.path.startswith(path) and pending:
            pending.pop()()

    pair.wrap["source"] = lambda transport: Watched(transport, after=after)


def test_a_source_edited_while_the_run_reads_it(pair: Pair) -> None:
    asset = pair.source.create("/assets", {"externalId": "a", "name": "before"})[0]
    once_after_first_list(pair, "/assets/list", lambda: pair.source.update("/assets", asset, name={"set": "after"}))
    pair.replicate("assets")
    report = pair.replicate("assets")["assets"]
    assert report.updated == 1
    assert pair.target.by_key("/assets")["a"]["name"] == "after"
    pair.verify("assets")


def test_a_source_edited_while_a_window_is_read_is_in_the_next_window(pair: Pair) -> None:
    asset = pair.source.create("/assets", {"externalId": "a", "name": "before"})[0]
    now = pair.source.sandbox.control.now_ms() + 1
    once_after_first_list(pair, "/assets/list", lambda: pair.source.update("/assets", asset, name={"set": "after"}))
    pair.replicate("assets", mode="window", window=Window(0, now))
    pair.replicate("assets", mode="window", window=Window(now, now + 3_600_000))
    assert pair.target.by_key("/assets")["a"]["name"] == "after"


def test_b_new_event_without_external_id_on_a_later_run(pair: Pair) -> None:
    pair.source.create("/events", {"description": "first"})
    pair.replicate("events")
    pair.source.create("/events", {"description": "second"})
    assert pair.replicate("events")["events"].created == 1
    assert pair.replicate("events")["events"].created == 0
    assert sorted(doc["description"] for doc in pair.target.all("/events")) == ["first", "second"]
    pair.verify("events")


def test_c_open_event_keeps_its_start(pair: Pair) -> None:
    pair.source.create(
        "/events",
        {"externalId": "open", "startTime": 1000},
        {"externalId": "zero", "startTime": 0, "endTime": 5},
        {"externalId": "point", "startTime": 7, "endTime": 7},
        {"externalId": "end only", "endTime": 9},
    )
    pair.replicate("events")
    copies = pair.target.by_key("/events")
    assert {key: (doc.get("startTime"), doc.get("endTime")) for key, doc in copies.items()} == {
        "open": (1000, None),
        "zero": (0, 5),
        "point": (7, 7),
        "end only": (None, 9),
    }


def test_d_events_are_updated(pair: Pair) -> None:
    data_set = pair.source.create("/datasets", {"externalId": "set", "name": "set"})[0]
    event = pair.source.create("/events", {"externalId": "e", "type": "old", "dataSetId": data_set["id"]})[0]
    pair.replicate("data_sets", "events")
    pair.source.update("/events", event, type={"set": "new"}, metadata={"set": {"k": "v"}})
    report = pair.replicate("data_sets", "events")["events"]
    assert (report.created, report.updated) == (0, 1)
    copy = pair.target.by_key("/events")["e"]
    assert copy["type"] == "new"
    assert copy["metadata"]["k"] == "v"
    assert copy["dataSetId"] == pair.target.by_key("/datasets")["set"]["id"]
    pair.verify("data_sets", "events")


def test_e_one_poisoned_item_among_three_thousand(pair: Pair, tmp_path: Path) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}", "description": "fine"} for n in range(3000)))
    pair.wrap["target"] = lambda transport: Watched(transport, before=_refuse(b'"e1234"', "/events"))
    letters = tmp_path / "refused.jsonl"
    with pytest.raises(PartialReplicationError, match="e1234") as caught:
        pair.replicate("events", dead_letter_path=str(letters))
    assert caught.value.report["created"] == 2999
    assert caught.value.report["failed"] == 1
    assert len(pair.target.all("/events")) == 2999
    (line,) = letters.read_text().splitlines()
    assert json.loads(line)["key"] == "e1234"
    assert json.loads(line)["document"]["description"] == "fine"


def _refuse(marker: bytes, path: str) -> Callable[[HttpRequest], HttpResponse | None]:
    """The target refuses whatever contains ``marker``."""

    def before(request: HttpRequest) -> HttpResponse | None:
        if request.path == path and marker in request.body:
            body = json.dumps({"error": {"code": 400, "message": "this item is poisoned"}}).encode()
            return HttpResponse(400, body)
        return None

    return before


def test_f_two_sources_into_one_target_with_deletes(project: Callable[[], Project]) -> None:
    target = project()
    first, second = Pair(project(), target), Pair(project(), target)
    target.create("/assets", {"externalId": "foreign", "name": "somebody else's"})
    for pair, prefix in ((first, "f"), (second, "s")):
        pair.source.create("/assets", *({"externalId": f"{prefix}{n}", "name": "x"} for n in range(20)))
        pair.replicate("assets", delete_missing=True)
    first.source.delete("/assets", first.source.by_key("/assets")["f3"])
    assert first.replicate("assets", delete_missing=True)["assets"].deleted == 1
    assert second.replicate("assets", delete_missing=True)["assets"].deleted == 0
    names = {f"f{n}" for n in range(20) if n != 3} | {f"s{n}" for n in range(20)} | {"foreign"}
    assert set(target.by_key("/assets")) == names


def test_f_a_foreign_child_keeps_the_asset_above_it(pair: Pair) -> None:
    root = pair.source.create("/assets", {"externalId": "root", "name": "r"})[0]
    pair.source.create("/assets", *({"externalId": f"a{n}", "name": "x"} for n in range(9)))
    pair.replicate("assets")
    copy = pair.target.by_key("/assets")["root"]
    pair.target.create("/assets", {"externalId": "theirs", "name": "t", "parentId": copy["id"]})
    pair.source.delete("/assets", root)
    # Whether this is a failure or a skip is the engine's to say; that the foreign asset survives is not.
    with pytest.raises(ReplicatorError):
        pair.replicate("assets", delete_missing=True)
    assert "theirs" in pair.target.by_key("/assets")


def test_g_a_mistyped_subtree_root_with_deletes(pair: Pair) -> None:
    root = pair.source.create("/assets", {"externalId": "root", "name": "r"})[0]
    pair.source.create("/assets", *({"externalId": f"a{n}", "name": "x", "parentId": root["id"]} for n in range(5)))
    pair.replicate("assets")
    selection = Selection(asset_subtree_external_ids=("rooot",))
    with pytest.raises(ReplicatorError):
        pair.replicate("assets", selection=selection, delete_missing=True, max_delete_fraction=1.0)
    assert len(pair.target.all("/assets")) == 6


def test_j_an_asset_that_arrives_after_its_time_series(pair: Pair) -> None:
    asset = pair.source.create("/assets", {"externalId": "late", "name": "late"})[0]
    pair.source.create("/timeseries", {"externalId": "s", "assetId": asset["id"]})
    pair.source.create("/events", {"externalId": "e", "assetIds": [asset["id"]]})
    early = pair.replicate("time_series", "events")
    assert {name: report.unlinked for name, report in early.items()} == {"time_series": 1, "events": 1}
    pair.replicate("assets")
    # Nothing changed at the source since; a window that holds none of these objects finds them all the same.
    late = pair.source.sandbox.control.now_ms() + 3_600_000
    pair.replicate("time_series", "events", mode="window", window=Window(late, late + 1), overlap_ms=0)
    copy = pair.target.by_key("/assets")["late"]["id"]
    assert pair.target.by_key("/timeseries")["s"]["assetId"] == copy
    assert pair.target.by_key("/events")["e"]["assetIds"] == [copy]
    pair.verify("assets", "time_series", "events")


def test_k_a_field_cleared_at_the_source(pair: Pair) -> None:
    asset = pair.source.create("/assets", {"externalId": "a", "name": "a"})[0]
    full = {
        "externalId": "s",
        "name": "n",
        "description": "d",
        "unit": "bar",
        "metadata": {"k": "v"},
        "assetId": asset["id"],
    }
    series = pair.source.create("/timeseries", full)[0]
    event = pair.source.create(
        "/events", {"externalId": "e", "type": "t", "startTime": 1, "endTime": 2, "assetIds": [asset["id"]]}
    )[0]
    pair.replicate("assets", "time_series", "events")
    cleared = {name: {"setNull": True} for name in ("name", "description", "unit", "assetId")}
    pair.source.update("/timeseries", series, **cleared, metadata={"set": {}})
    pair.source.update("/events", event, type={"setNull": True}, endTime={"setNull": True}, assetIds={"set": []})
    pair.replicate("assets", "time_series", "events")
    copy = pair.target.by_key("/timeseries")["s"]
    assert not {"name", "description", "unit", "assetId"} & set(copy)
    assert "k" not in copy["metadata"]
    copy = pair.target.by_key("/events")["e"]
    assert not {"type", "endTime"} & set(copy)
    assert not copy.get("assetIds")
    pair.verify("assets", "time_series", "events")


def test_l_an_asset_that_moved(pair: Pair) -> None:
    left, right = pair.source.create("/assets", {"externalId": "l", "name": "l"}, {"externalId": "r", "name": "r"})
    child = pair.source.create("/assets", {"externalId": "c", "name": "c", "parentId": left["id"]})[0]
    pair.source.create("/assets", {"externalId": "g", "name": "g", "parentId": child["id"]})
    pair.replicate("assets")
    pair.source.update("/assets", child, parentId={"set": right["id"]})
    assert pair.replicate("assets")["assets"].updated == 1
    copies = pair.target.by_key("/assets")
    assert copies["c"]["parentId"] == copies["r"]["id"]
    assert copies["g"]["rootId"] == copies["r"]["id"]
    pair.verify("assets")


FAULTS = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429, "retry_after": 0},
    {"kind": "status_after_commit", "status": 503},
    {"kind": "status_after_commit", "status": 504},
    {"kind": "reset"},
    {"kind": "reset_after_commit"},
    {"kind": "truncated_body"},
]
CREATED: dict[str, list[dict[str, object]]] = {
    "/assets": [{"externalId": "a", "name": "a"}, {"name": "without external id"}],
    "/events": [{"externalId": "e"}, {"description": "without external id"}],
    "/timeseries": [{"externalId": "s"}, {"name": "without external id"}],
    "/datasets": [{"externalId": "d", "name": "d"}, {"name": "without external id"}],
    "/labels": [{"externalId": "l", "name": "l"}, {"externalId": "m", "name": "m"}],
}
RESOURCES = {
    "/assets": "assets",
    "/events": "events",
    "/timeseries": "time_series",
    "/datasets": "data_sets",
    "/labels": "labels",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(str(value) for value in fault.values()))
@pytest.mark.parametrize("path", CREATED)
def test_m_a_create_that_fails_or_seems_to(pair: Pair, path: str, fault: dict[str, object]) -> None:
    pair.source.create(path, *CREATED[path])
    pair.source.sandbox.control.fault(project=pair.target.name, method="POST", path=path, **fault)
    resource = RESOURCES[path]
    report = pair.replicate(resource)[resource]
    assert report.failed == 0
    assert len(pair.target.all(path)) == 2
    again = pair.replicate(resource)[resource]
    assert (again.created, again.updated) == (0, 0)
    pair.verify(resource)


def test_n_a_data_set_without_external_id_is_made_once(pair: Pair) -> None:
    data_set = pair.source.create("/datasets", {"name": "no external id"})[0]
    pair.source.create("/assets", {"externalId": "a", "name": "a", "dataSetId": data_set["id"]})
    for _ in range(2):
        pair.replicate("data_sets", "assets")
    (copy,) = pair.target.all("/datasets")
    assert copy["name"] == "no external id"
    assert pair.target.by_key("/assets")["a"]["dataSetId"] == copy["id"]
    pair.verify("data_sets", "assets")
