# SPDX-License-Identifier: Apache-2.0
"""Full runs: what is gone at the source goes, within the guards; a selection touches nothing outside of it; errors change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import (
    CdfUnavailableError,
    ConfigurationError,
    DeleteGuardError,
    PartialReplicationError,
    SchemaChangedError,
)
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.resources import declared
from airflow_provider_replicator.lake.table import Table
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lake.resources.exports import Exports

LATEST = 2**63 - 1


def keys(exports: Exports, resource: str = "events") -> set[str]:
    return set(exports.by("externalId", resource))


def names(*numbers: int) -> set[str]:
    return {f"e{number}" for number in numbers}


def drop(exports: Exports, *numbers: int) -> None:
    items = [{"externalId": f"e{number}"} for number in numbers]
    exports.project.call("POST", "/events/delete", {"items": items})


def test_deletes_follow_and_the_report_says_what_happened(exports: Exports) -> None:
    made = exports.project.create("/events", *(event(number) for number in range(20)))
    exports.export("events")
    drop(exports, 3, 4)
    exports.project.update("/events", made[5], description={"set": "x"})
    exports.project.create("/events", event(20))
    report = exports.export("events")
    assert keys(exports) == names(*range(21)) - names(3, 4)
    assert exports.by("externalId", "events")["e5"]["description"] == "x"
    assert (report.read, report.created, report.updated, report.deleted) == (19, 1, 18, 2)
    assert report.tables == [{"table": "resources/events", "written": 19, "deleted": 2, "version": 2}]


def test_too_many_deletes_change_nothing(exports: Exports) -> None:
    exports.project.create("/events", *(event(number) for number in range(20)))
    exports.export("events")
    drop(exports, 1, 2, 3)
    with pytest.raises(DeleteGuardError, match=r"3 of 20 rows would be deleted, more than max_delete_fraction=0\.1"):
        exports.export("events")
    assert keys(exports) == names(*range(20))
    assert exports.table("events").version() == 1

    plan = exports.export("events", max_delete_fraction=0.2, dry_run=True)
    assert (plan.dry_run, plan.deleted, plan.written, exports.table("events").version()) == (True, 3, 0, 1)
    assert exports.export("events", max_delete_fraction=0.2).deleted == 3
    assert keys(exports) == names(0, *range(4, 20))


def test_a_source_that_lists_nothing_empties_no_table(exports: Exports) -> None:
    exports.project.create("/events", event(1))
    exports.export("events")
    drop(exports, 1)
    with pytest.raises(DeleteGuardError, match="listed nothing"):
        exports.export("events", max_delete_fraction=1)
    assert keys(exports) == names(1)


def test_another_project_does_not_take_the_place_of_a_table(exports: Exports, exports_to: Any) -> None:
    """As many objects, and none of them the same."""
    exports.project.create("/events", *(event(number) for number in range(20)))
    exports.export("events")
    other = exports_to(exports.lake)
    other.project.create("/events", *(event(100 + number) for number in range(20)))
    with pytest.raises(DeleteGuardError, match="20 of 20"):
        other.export("events")
    assert keys(exports) == names(*range(20))


def test_what_a_list_does_not_show_yet_is_not_deleted(exports: Exports) -> None:
    """CDF's lists lag behind: each object that would go is asked for by name."""
    exports.project.create("/events", *(event(number) for number in range(20)))
    exports.export("events")
    drop(exports, 1)

    def forget(answer: Any) -> None:
        answer["items"] = [item for item in answer["items"] if item["externalId"] != "e2"]

    exports.rewrite_items("/events/list", forget)
    report = exports.export("events")
    assert keys(exports) == names(0, *range(2, 20))
    assert (report.read, report.deleted) == (18, 1)


def test_an_error_in_the_middle_leaves_the_table_as_it_was(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_replicator.cdf import listing

    monkeypatch.setattr(listing, "PAGE", 10)
    exports.project.create("/events", *(event(number) for number in range(100)))
    exports.export("events")
    before = exports.rows("events")
    exports.project.create("/events", event(100))
    exports.clock.fault(project=exports.project.name, path="/events/list", kind="status", status=500, nth=6, times=None)
    with pytest.raises(CdfUnavailableError):
        exports.export("events")
    assert exports.rows("events") == before
    assert exports.table("events").version() == 1
    exports.clock.clear_faults()
    exports.export("events")
    assert len(keys(exports)) == 101


def test_an_object_that_comes_twice_is_there_once_in_its_newest_version(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes while the list is read, moves to the list's end, and is listed again."""
    from airflow_provider_replicator.cdf import listing

    made = exports.project.create("/events", *(event(number) for number in range(30)))
    monkeypatch.setattr(listing, "PAGE", 10)

    def move(answer: Any) -> None:
        if "nextCursor" not in answer:
            newer = {**made[0], "lastUpdatedTime": made[0]["lastUpdatedTime"] + 5, "description": "moved"}
            older = {**made[1], "lastUpdatedTime": made[1]["lastUpdatedTime"] - 5, "description": "stale"}
            answer["items"] += [newer, older, newer]

    exports.rewrite_items("/events/list", move)
    exports.export("events")
    rows = exports.by("externalId", "events")
    assert len(rows) == 30
    assert (rows["e0"]["description"], rows["e1"].get("description")) == ("moved", None)


# -- selections


def tree(exports: Exports) -> None:
    data_sets = [exports.project.create("/datasets", {"externalId": f"ds{n}"})[0]["id"] for n in range(2)]
    for root in ("a", "b"):
        exports.project.create(
            "/assets",
            {"externalId": root, "name": root},
            *({"externalId": f"{root}{n}", "name": "x", "parentExternalId": root} for n in range(5)),
        )
    assets = {key: doc["id"] for key, doc in exports.project.by_key("/assets").items()}
    exports.project.create(
        "/events",
        *(
            event(n, dataSetId=data_sets[n % 2], assetIds=[assets["a1" if n < 10 else "b1"]], description="old")
            for n in range(20)
        ),
    )


SELECTIONS: list[tuple[dict[str, Any], set[int]]] = [
    ({"external_ids": ("e1", "e2", "e3")}, {1, 2, 3}),
    ({"external_id_prefix": "e1"}, {1, *range(10, 20)}),
    ({"exclude_pattern": "[3-9]$"}, {0, 1, 2, 10, 11, 12}),
    ({"data_set_external_ids": ("ds1",)}, set(range(1, 20, 2))),
    ({"asset_subtree_external_ids": ("a",)}, set(range(10))),
    ({"asset_subtree_external_ids": ("a",), "external_ids": ("e0", "e1", "e15")}, {0, 1}),
    ({"data_set_external_ids": ("ds0",), "external_id_prefix": "e1"}, set(range(10, 20, 2))),
]


@pytest.mark.parametrize(("selection", "covered"), SELECTIONS)
def test_a_selection_replaces_what_it_selects_and_nothing_else(
    exports: Exports, selection: dict[str, Any], covered: set[int]
) -> None:
    tree(exports)
    exports.export("events")
    found = exports.project.by_key("/events")
    for document in found.values():
        exports.project.update("/events", document, description={"set": "new"})
    drop(exports, 1, 2, 15)
    exports.project.create("/events", event(30))

    report = exports.export("events", **selection, max_delete_fraction=0.9)
    rows = exports.by("externalId", "events")
    excluding = "exclude_pattern" in selection
    # Only by asking could one know what a subtree held, so whatever is gone from the source goes.
    gone = {1, 2, 15} & covered if not excluding and "asset_subtree_external_ids" not in selection else {1, 2, 15}
    if "external_ids" in selection:
        gone &= {int(name.removeprefix("e")) for name in selection["external_ids"]}
    assert set(rows) - {"e30"} == names(*(set(range(20)) - gone))
    assert ("e30" in rows) == excluding
    assert report.deleted == len(gone)
    alive = covered - {1, 2, 15}
    assert names(*alive) <= {key for key, row in rows.items() if row.get("description") == "new"}


def test_a_selection_keeps_within_the_guard_and_plans_first(exports: Exports) -> None:
    tree(exports)
    exports.export("events")
    drop(exports, 1, 3)
    chosen: dict[str, Any] = {"data_set_external_ids": ("ds1",)}
    with pytest.raises(DeleteGuardError, match="2 of 10"):
        exports.export("events", **chosen)
    assert keys(exports) == names(*range(20))
    assert exports.export("events", **chosen, max_delete_fraction=0.2, dry_run=True).deleted == 2
    assert keys(exports) == names(*range(20))
    assert exports.export("events", **chosen, max_delete_fraction=0.2).deleted == 2
    with pytest.raises(ConfigurationError, match="none of the 1 selected"):
        exports.export("events", external_ids=("nobody",))


def test_an_object_that_left_the_selection_stays_as_it_is_now(exports: Exports) -> None:
    tree(exports)
    exports.export("events")
    other = exports.project.by_key("/datasets")["ds0"]["id"]
    exports.project.update("/events", exports.project.by_key("/events")["e1"], dataSetId={"set": other})
    assert exports.export("events", data_set_external_ids=("ds1",)).deleted == 0
    assert exports.by("externalId", "events")["e1"]["dataSetId"] == other


@pytest.mark.parametrize("resource", ["assets", "relationships", "labels", "data_sets"])
def test_selections_of_other_types(exports: Exports, resource: str) -> None:
    tree(exports)
    ends = {"sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "asset"}
    exports.project.create("/relationships", *({"externalId": key, **ends} for key in ("a1", "a2", "b1")))
    exports.project.create("/labels", *({"externalId": key, "name": "n"} for key in ("a1", "a2", "b1")))
    prefix = "ds1" if resource == "data_sets" else "a"
    exports.export(resource, external_id_prefix=prefix)
    assert (
        keys(exports, resource)
        == {
            "assets": {"a", "a0", "a1", "a2", "a3", "a4"},
            "relationships": {"a1", "a2"},
            "labels": {"a1", "a2"},
            "data_sets": {"ds1"},
        }[resource]
    )
    exports.export(resource)
    everything = keys(exports, resource)
    if resource in ("relationships", "labels"):
        exports.project.call("POST", f"/{resource}/delete", {"items": [{"externalId": "a2"}]})
        assert exports.export(resource, external_id_prefix="b", max_delete_fraction=1).deleted == 0
        assert exports.export(resource, external_id_prefix=prefix, max_delete_fraction=1).deleted == 1
        everything -= {"a2"}
    if resource == "assets":
        report = exports.export(resource, asset_subtree_external_ids=("b",), max_depth=0)
        assert (report.read, report.skipped) == (1, {"below_max_depth": 5})
    assert keys(exports, resource) == everything


# -- what does not fit


def test_what_does_not_fit_is_a_dead_letter_and_stays_as_it_was(exports: Exports, tmp_path: Path) -> None:
    """A time in 292 million years is more than a table can hold."""
    made = exports.project.create("/events", event(1), event(2), event(3))
    exports.export("events")
    for document in made[:2]:
        exports.project.update("/events", document, description={"set": "new"})
    exports.project.update("/events", made[0], endTime={"set": LATEST})
    exports.project.create("/events", event(4, startTime=LATEST), event(5))
    file = tmp_path / "dead.jsonl"
    for run in ("full", "window"):
        window = None if run == "full" else (0, exports.clock.now_ms() + 1000)
        with pytest.raises(PartialReplicationError) as caught:
            exports.export("events", window, dead_letter_path=str(file), max_failed=1)
        assert caught.value.report["failed"] == 2
        rows = exports.by("externalId", "events")
        assert set(rows) == names(1, 2, 3, 5)
        assert [rows[f"e{number}"].get("description") for number in (1, 2, 3)] == [None, "new", None]
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(letter["document"]["externalId"] for letter in letters) == ["e1", "e1", "e4", "e4"]
    assert f"endTime: {LATEST} is no timestamp" in [letter["reason"] for letter in letters]
    assert exports.export("events", max_failed=2).failed == 2


def test_what_does_not_fit_is_rescued(exports: Exports) -> None:
    exports.project.create("/events", event(1, endTime=LATEST), event(2))
    for window in (None, (0, exports.clock.now_ms() + 1000)):
        assert exports.export("events", window, on_misfit="rescue").failed == 0
        rows = exports.by("externalId", "events")
        assert json.loads(rows["e1"]["_rescued"]) == {"endTime": LATEST}
        assert "endTime" not in rows["e1"]
        assert "_rescued" not in rows["e2"]
    # it fits again: nothing of what was rescued is left
    exports.project.update("/events", exports.project.by_key("/events")["e1"], endTime={"set": 5})
    exports.export("events", (0, exports.clock.now_ms() + 1000))
    assert "_rescued" not in exports.by("externalId", "events")["e1"]


def test_fields_that_nobody_has_declared_are_kept(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    exports.project.create("/events", event(1, subtype="s", source="x"), event(2))
    fields = {name: kind for name, kind in declared._FIELDS["events"].items() if name not in ("subtype", "source")}
    monkeypatch.setitem(declared._FIELDS, "events", fields)
    exports.export("events")
    rows = exports.by("externalId", "events")
    assert json.loads(rows["e1"]["_more"]) == {"source": "x", "subtype": "s"}
    assert "_more" not in rows["e2"]
    # a later version of the package knows them: the table gets columns
    monkeypatch.undo()
    with pytest.raises(SchemaChangedError, match="subtype"):
        exports.export("events", on_schema_change="freeze")
    exports.export("events")
    rows = exports.by("externalId", "events")
    assert (rows["e1"]["subtype"], rows["e1"]["source"], "_more" in rows["e1"]) == ("s", "x", False)


def test_a_table_of_another_shape_is_an_error_that_says_what_to_do(exports: Exports) -> None:
    Table(exports.lake, "resources/events").prepare(TableSchema(columns=(Column(name="id", kind="text"),)))
    with pytest.raises(SchemaChangedError, match="column id is"):
        exports.export("events")
