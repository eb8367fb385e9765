# SPDX-License-Identifier: Apache-2.0
"""From cognite-replicator 1.3.2 to this provider: what the old tool left in the target is recognised and continued.

Its copies carry the provenance that it wrote itself (numbers on the wire), and have no external id where the source has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.identity import made_key
from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from tests.acceptance.projects import Pair
from tests.peer.running import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
    from tests.acceptance.projects import Project

Doc = dict[str, Any]
OBJECTS = ("assets", "events", "time_series")
PATHS = {"assets": "/assets", "events": "/events", "time_series": "/timeseries"}
DAY = 86_400_000


@pytest.fixture(scope="module")
def peer(sandbox: RunningSandbox) -> Iterator[Peer]:
    with Peer(sandbox) as running:
        yield running


def counts(report: Report) -> tuple[int, int, int]:
    assert report.failed == 0
    return report.created, report.updated, report.unchanged


def continued(pair: Pair, *resources: str, **options: Any) -> dict[str, tuple[int, int, int]]:
    """created, updated, unchanged of a run of ours."""
    reports = pair.replicate(*(resources or OBJECTS), **options)
    return {name: counts(report) for name, report in reports.items()}


def held(pair: Pair) -> dict[str, list[Doc]]:
    return {path: sorted(pair.target.all(path), key=lambda doc: doc["id"]) for path in PATHS.values()}


def plant(pair: Pair, *, names: bool = True) -> dict[str, Doc]:
    """A plant with its events and series in the source; by name. Without ``names`` nothing has an external id."""
    made: dict[str, Doc] = {}

    def create(path: str, name: str, **fields: Any) -> Doc:
        key = {"externalId": name} if names else {}
        label = {"description" if path == "/events" else "name": name}
        (made[name],) = pair.source.create(path, {**key, **label, "metadata": {"k": name}, **fields})
        return made[name]

    root = create("/assets", "root", description="the plant", source="SAP")
    for n in range(3):
        unit = create("/assets", f"unit{n}", parentId=root["id"])
        for m in range(4):
            pump = create("/assets", f"pump{n}{m}", parentId=unit["id"])
            create("/timeseries", f"series{n}{m}", assetId=pump["id"], unit="bar", isStep=bool(m % 2))
            create("/events", f"event{n}{m}", startTime=1, endTime=2, type="t", assetIds=[pump["id"], unit["id"]])
    create("/timeseries", "free", isString=True)
    create("/events", "free event", startTime=5, endTime=9)
    return made


UNCHANGED = {"assets": (0, 0, 16), "events": (0, 0, 13), "time_series": (0, 0, 13)}


def replicated_by_peer(pair: Pair, peer: Peer, *modules: str, **options: Any) -> None:
    for module in modules or OBJECTS:
        peer.done(pair, module, **options)


def test_equal_copies_are_left_as_they_are(pair: Pair, peer: Peer) -> None:
    plant(pair)
    replicated_by_peer(pair, peer)
    before = held(pair)
    pair.verify(*OBJECTS)
    assert continued(pair) == UNCHANGED
    assert continued(pair, dry_run=True) == UNCHANGED
    assert held(pair) == before
    assert all("_replicatedTime" in doc["metadata"] for docs in before.values() for doc in docs)


def test_copies_without_external_id_get_one_and_are_not_made_again(pair: Pair, peer: Peer) -> None:
    made = plant(pair, names=False)
    replicated_by_peer(pair, peer)
    before = held(pair)
    assert continued(pair) == {"assets": (0, 16, 0), "events": (0, 13, 0), "time_series": (0, 13, 0)}
    after = held(pair)
    for path, docs in before.items():
        assert [doc["id"] for doc in after[path]] == [doc["id"] for doc in docs]
    keys = {doc["externalId"] for docs in after.values() for doc in docs}
    assert keys == {made_key(pair.source.name, doc["id"]) for doc in made.values()}
    assert continued(pair) == UNCHANGED
    assert held(pair) == after
    pair.verify(*OBJECTS)


@pytest.mark.parametrize("new_name", [{}, {"externalId": "new"}], ids=["nameless", "named"])
@pytest.mark.parametrize("mode", ["full", "window"])
def test_new_assets_below_copies_without_external_id(pair: Pair, peer: Peer, new_name: Doc, mode: str) -> None:
    made = plant(pair, names=False)
    replicated_by_peer(pair, peer, "assets")
    before = {doc["name"]: doc["id"] for doc in pair.target.all("/assets")}
    start = pair.source.sandbox.control.now_ms() + 1
    (new,) = pair.source.create("/assets", {"name": "new", "parentId": made["pump00"]["id"], **new_name})
    pair.source.create("/assets", {"name": "newer", "parentId": new["id"]})
    options = {} if mode == "full" else {"mode": mode, "window": Window(start, start + DAY), "overlap_ms": 0}
    report = pair.replicate("assets", **options)["assets"]
    assert (report.created, report.failed, report.unlinked) == (2, 0, 0)
    continued(pair, "assets")
    copies = {doc["name"]: doc for doc in pair.target.all("/assets")}
    assert {name: doc["id"] for name, doc in copies.items() if not name.startswith("new")} == before
    assert copies["new"]["parentId"] == before["pump00"]
    pair.verify("assets")


def test_what_the_peer_did_not_copy_is_added_to_those_that_lack_it(pair: Pair, peer: Peer) -> None:
    (data_set,) = pair.source.create("/datasets", {"externalId": "set", "name": "set"})
    pair.source.create("/labels", {"externalId": "label", "name": "label"})
    plant(pair)
    pair.source.create("/assets", {"externalId": "labelled", "name": "l", "labels": [{"externalId": "label"}]})
    pair.source.create("/assets", {"externalId": "in set", "name": "s", "dataSetId": data_set["id"]})
    pair.source.create("/events", {"externalId": "open", "startTime": 7})
    pair.source.create("/timeseries", {"externalId": "unit", "unitExternalId": "pressure:bar"})
    replicated_by_peer(pair, peer, "assets")
    (late,) = pair.source.create("/assets", {"externalId": "late", "name": "late"})
    pair.source.create("/events", {"externalId": "linked", "startTime": 1, "endTime": 2, "assetIds": [late["id"]]})
    pair.source.create("/timeseries", {"externalId": "linked", "assetId": late["id"]})
    replicated_by_peer(pair, peer, "events", "time_series")

    assert continued(pair, "data_sets", "labels", *OBJECTS) == {
        "data_sets": (1, 0, 0),
        "labels": (1, 0, 0),
        "assets": (1, 2, 16),
        "events": (0, 2, 13),
        "time_series": (0, 2, 13),
    }
    assert pair.target.by_key("/events")["open"]["startTime"] == 7
    assert pair.target.by_key("/timeseries")["linked"]["assetId"] == pair.target.by_key("/assets")["late"]["id"]
    pair.verify("data_sets", "labels", *OBJECTS)


def test_later_edits_arrive(pair: Pair, peer: Peer) -> None:
    made = plant(pair)
    replicated_by_peer(pair, peer)
    continued(pair)
    kept = {path: {doc["externalId"]: doc for doc in docs} for path, docs in held(pair).items()}
    edit = pair.source.update
    edit("/assets", made["root"], description={"setNull": True}, name={"set": "renamed"})
    edit("/assets", made["unit2"], parentId={"set": made["unit1"]["id"]})
    edit("/events", made["event00"], type={"set": "new"}, metadata={"set": {"k": "w"}})
    edit("/timeseries", made["series00"], unit={"setNull": True}, assetId={"set": made["root"]["id"]})
    pair.source.create("/assets", {"externalId": "new", "name": "new", "parentId": made["pump00"]["id"]})
    pair.source.create("/events", {"description": "new, without external id"})
    pair.source.delete("/events", made["event11"])

    assert continued(pair, delete_missing=True) == {
        "assets": (1, 2, 14),
        "events": (1, 1, 11),
        "time_series": (0, 1, 12),
    }
    assets, events, series = (pair.target.by_key(path) for path in PATHS.values())
    assert (assets["root"]["name"], "description" in assets["root"]) == ("renamed", False)
    assert assets["unit2"]["parentId"] == assets["unit1"]["id"]
    assert assets["pump20"] == kept["/assets"]["pump20"]
    assert (events["event00"]["type"], events["event00"]["metadata"]["k"]) == ("new", "w")
    assert events["event00"]["id"] == kept["/events"]["event00"]["id"]
    assert "event11" not in events
    assert series["series00"]["assetId"] == assets["root"]["id"]
    assert {name: result[:2] for name, result in continued(pair).items()} == dict.fromkeys(OBJECTS, (0, 0))
    pair.verify(*OBJECTS)


@pytest.mark.parametrize("names", [True, False], ids=["named", "nameless"])
def test_the_first_run_of_ours_may_be_a_window(pair: Pair, peer: Peer, names: bool) -> None:
    """The DAG takes over where the old job stopped, without a full run."""
    made = plant(pair, names=names)
    replicated_by_peer(pair, peer)
    before = held(pair)
    edited = {"/assets": made["pump12"], "/events": made["event12"], "/timeseries": made["series12"]}
    result = continued(pair, mode="window", window=window_of_edits(pair, edited), overlap_ms=0)
    # Parents are called by their names, so two assets above the edited one get theirs.
    assert result == {"assets": (0, 1 if names else 3, 0), "events": (0, 1, 0), "time_series": (0, 1, 0)}
    for path, docs in held(pair).items():
        assert [doc["id"] for doc in docs] == [doc["id"] for doc in before[path]]
        (copy,) = [doc for doc in docs if doc.get("description") == "edited"]
        assert copy["metadata"]["_replicatedInternalId"] == str(edited[path]["id"])
        assert copy["externalId"] == edited[path].get("externalId", made_key(pair.source.name, edited[path]["id"]))
    continued(pair)
    pair.verify(*OBJECTS)


def window_of_edits(pair: Pair, edited: dict[str, Doc]) -> Window:
    """Edit these objects of the source a day later; the window that holds nothing else."""
    control = pair.source.sandbox.control
    control.advance(DAY)
    start = control.now_ms()
    for path, doc in edited.items():
        pair.source.update(path, doc, description={"set": "edited"})
    end = control.now_ms() + 1000
    control.resume()
    return Window(start, end)


@pytest.mark.parametrize("path", ["/events", "/timeseries"])
def test_links_to_copies_without_external_id_are_kept(pair: Pair, peer: Peer, path: str) -> None:
    made = plant(pair, names=False)
    replicated_by_peer(pair, peer)
    doc, resource, link = {
        "/events": (made["event12"], "events", "assetIds"),
        "/timeseries": (made["series12"], "time_series", "assetId"),
    }[path]
    before = {copy["id"]: copy[link] for copy in pair.target.all(path) if link in copy}
    window = window_of_edits(pair, {path: doc})
    report = pair.replicate(resource, mode="window", window=window, overlap_ms=0)[resource]
    assert (report.updated, report.unlinked) == (1, 0)
    assert {copy["id"]: copy[link] for copy in pair.target.all(path) if link in copy} == before


def test_a_subtree_stays_one(pair: Pair, peer: Peer) -> None:
    plant(pair)
    replicated_by_peer(pair, peer, "assets", subtree_external_ids="unit1")
    before = {doc["externalId"]: doc["id"] for doc in pair.target.all("/assets")}
    selection = Selection(asset_subtree_external_ids=("unit1",))
    # The root loses what the peer noted about the parent it had in the source.
    assert continued(pair, "assets", selection=selection) == {"assets": (0, 1, 4)}
    assert continued(pair, "assets", selection=selection) == {"assets": (0, 0, 5)}
    assert {doc["externalId"]: doc["id"] for doc in pair.target.all("/assets")} == before
    assert "parentId" not in pair.target.by_key("/assets")["unit1"]
    pair.verify("assets", selection=selection)


def test_copies_of_two_sources_are_told_apart(project: Callable[[], Project], peer: Peer) -> None:
    target = project()
    pairs = [Pair(project(), target) for _ in range(2)]
    for pair in pairs:
        pair.source.create("/events", *({"description": f"{pair.source.name} {n}"} for n in range(5)))
        # The peer leaves out nameless events once there are some; each source is copied into a target that seems empty.
        fresh = Pair(pair.source, project())
        peer.done(fresh, "events")
        for doc in fresh.target.all("/events"):
            target.create("/events", {"description": doc["description"], "metadata": doc["metadata"]})
    before = {doc["id"]: doc["description"] for doc in target.all("/events")}
    for pair in pairs:
        assert continued(pair, "events", delete_missing=True) == {"events": (0, 5, 0)}
    assert {doc["id"]: doc["description"] for doc in target.all("/events")} == before
    pairs[0].source.delete("/events", pairs[0].source.all("/events")[0])
    report = pairs[0].replicate("events", delete_missing=True, max_delete_fraction=0.2)["events"]
    assert (report.deleted, report.unchanged) == (1, 4)
    assert len(target.all("/events")) == 9


def test_what_is_gone_at_the_source_is_deleted_also_without_external_id(pair: Pair, peer: Peer) -> None:
    made = plant(pair, names=False)
    replicated_by_peer(pair, peer)
    for name, path in (("pump12", "/assets"), ("event12", "/events"), ("series12", "/timeseries")):
        pair.source.delete(path, made[name])
    reports = pair.replicate(*OBJECTS, delete_missing=True)
    assert {name: report.deleted for name, report in reports.items()} == dict.fromkeys(OBJECTS, 1)
    assert {name: report.created for name, report in reports.items()} == dict.fromkeys(OBJECTS, 0)
    pair.verify("assets", "time_series", "events")


def test_datapoints_go_on_and_what_the_peer_left_out_is_filled_in(pair: Pair, peer: Peer) -> None:
    plant(pair)
    replicated_by_peer(pair, peer, "assets", "time_series")
    now = pair.source.sandbox.control.now_ms()
    days = {day: now - day * DAY for day in (400, 100, 36, 34, 5, 2)}
    pair.source.insert("series00", *((time, float(day)) for day, time in days.items()))
    pair.source.insert("free", *((time, f"day {day}") for day, time in days.items()))
    peer.done(pair, "datapoints")
    assert [point[1] for point in pair.target.points("series00")] == [34.0, 5.0, 2.0]
    pair.source.insert("series00", (now - DAY, 1.0), (days[34], -34.0))
    # A series that lacks its beginning is filled anew, without being asked to.
    assert pair.replicate_points().written == 6 + 6 + 1
    for key in ("series00", "free"):
        assert pair.target.points(key) == pair.source.points(key)
    pair.source.insert("series00", (now - DAY // 2, 0.5))
    assert pair.replicate_points().written == 1
    pair.verify("datapoints")


def test_datapoints_of_series_without_external_id_follow_their_names(pair: Pair, peer: Peer) -> None:
    """The peer never copied them."""
    made = plant(pair, names=False)
    replicated_by_peer(pair, peer)
    points = [{"timestamp": n, "value": n / 2} for n in range(5)]
    pair.source.call("POST", "/timeseries/data", {"items": [{"id": made["series01"]["id"], "datapoints": points}]})
    continued(pair)
    assert pair.replicate_points().written == 5
    assert len(pair.target.points(made_key(pair.source.name, made["series01"]["id"]))) == 5
    pair.verify("time_series", "datapoints")
