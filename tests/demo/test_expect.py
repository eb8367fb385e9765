# SPDX-License-Identifier: Apache-2.0
"""The expectations of the demo fail when they should, and the report says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from scripts.demo import expect, summary
from scripts.demo.change import Change
from scripts.demo.compare import OBJECTS, RESOURCES, Comparison
from scripts.demo.expect import Run

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = {"data_sets": 1, "labels": 2, "assets": 3, "events": 4, "time_series": 5, "datapoints": 60, "raw": 7}
OBJECTS_CHANGED = {"assets": {"A:1", "A:2"}, "events": {"W-9"}}
CHANGE = Change(OBJECTS_CHANGED, 24, 6, datetime(2023, 8, 24, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


def report(**counts: int) -> dict[str, Any]:
    zero = dict.fromkeys(("created", "updated", "unchanged", "deleted", "written", "failed", "unlinked"), 0)
    return {**zero, "requests": {"source": 3, "target": 4}, "seconds": 0.5, **counts}


def perfect(name: str) -> Run:
    run = Run(name)
    for resource in RESOURCES:
        count = COUNTS[resource]
        if name == "initial":
            run.resources[resource] = report(**{"created" if resource in OBJECTS else "written": count})
        else:
            run.resources[resource] = report(unchanged=count)
        run.compared[resource] = Comparison(count, count)
        run.verified.setdefault("resources", {})[resource] = {"different": 0, "extra": 0}
    if name == "change":
        run.resources["assets"] = report(unchanged=1, updated=2)
        run.resources["events"] = report(unchanged=4, created=1)
        run.resources["datapoints"] = report(written=24, deleted=6)
        run.touched = {name: set(keys) for name, keys in OBJECTS_CHANGED.items()}
        run.compared["events"] = Comparison(5, 5)
        run.compared["datapoints"] = Comparison(54, 54)
    return run


def failures(run: Run, requests: dict[str, int] | None = None) -> list[str]:
    if run.name == "initial":
        return expect.initial(run, COUNTS)
    if run.name == "repeat":
        return expect.repeat(run, COUNTS, requests or {})
    return expect.change(run, COUNTS, CHANGE)


@pytest.mark.parametrize("name", ["initial", "repeat", "change"])
def test_perfect_runs_pass(name: str) -> None:
    assert failures(perfect(name)) == []


@pytest.mark.parametrize(
    ("name", "resource", "counter"),
    [
        ("initial", "assets", "created"),
        ("initial", "datapoints", "written"),
        ("initial", "raw", "failed"),
        ("initial", "events", "unlinked"),
        ("repeat", "events", "updated"),
        ("repeat", "raw", "written"),
        ("repeat", "labels", "unchanged"),
        ("change", "assets", "updated"),
        ("change", "datapoints", "written"),
        ("change", "datapoints", "deleted"),
        ("change", "time_series", "updated"),
        ("change", "raw", "written"),
    ],
)
def test_one_too_many_fails_and_says_where(name: str, resource: str, counter: str) -> None:
    run = perfect(name)
    run.resources[resource][counter] += 1
    wrong = failures(run)
    assert len(wrong) == 1
    assert wrong[0].startswith(f"{name}: {resource}: {counter} is ")


def test_a_repeat_after_which_the_target_has_new_time_stamps_fails() -> None:
    run = perfect("repeat")
    run.touched = {"raw": {"db/table/1"}}
    assert failures(run) == ["repeat: raw: written were ['db/table/1'] (1 in all), expected []"]


def test_a_change_that_writes_another_object_fails() -> None:
    run = perfect("change")
    run.touched["assets"] = {"A:1", "A:3"}
    assert failures(run) == ["change: assets: written were ['A:1', 'A:3'] (2 in all), expected ['A:1', 'A:2']"]


def test_a_task_without_a_report_fails() -> None:
    run = perfect("initial")
    del run.resources["events"]
    assert failures(run) == ["initial: the task events returned no report"]


def test_a_verification_that_left_something_out_or_found_something_fails() -> None:
    run = perfect("change")
    del run.verified["resources"]["raw"]
    run.verified["resources"]["assets"]["extra"] = 1
    assert failures(run) == [
        "change: verify: assets: {'different': 0, 'extra': 1}",
        "change: verify: raw: not compared",
    ]


def test_a_difference_found_by_the_demo_fails_although_the_reports_are_fine() -> None:
    run = perfect("repeat")
    run.compared["assets"].differs("A:1: missing in the target")
    assert failures(run) == ["repeat: assets: 1 differences, first: A:1: missing in the target"]


def test_a_source_of_another_size_fails() -> None:
    run = perfect("initial")
    run.compared["raw"].source = run.compared["raw"].target = 0
    assert failures(run) == ["initial: raw: the source has 0, expected 7"]


def test_a_repeat_that_asks_the_target_to_write_fails() -> None:
    requests = {
        "target POST /assets/list": 1,
        "target POST /assets/byids": 1,
        "target POST /timeseries/data/list": 1,
        "target GET /raw/dbs": 1,
        "source POST /assets": 9,
        "target POST /assets": 2,
        "target POST /timeseries/data": 1,
    }
    assert failures(perfect("repeat"), requests) == [
        "repeat: the target was asked to write: target POST /assets, 2 times",
        "repeat: the target was asked to write: target POST /timeseries/data, 1 times",
    ]


def test_the_report_is_what_programs_expect(tmp_path: Path) -> None:
    runs = [perfect("initial"), perfect("repeat"), perfect("change")]
    path = tmp_path / "build" / "demo-report.json"
    tables = {"resources/events": {"rows": 5, "expected": 5, "content_ok": True}}
    couches = {"docs_source": 5, "docs_target": 5, "missing_revisions": 0, "refused_detected": True}
    summary.write(path, runs, [], delta={"tables": tables, "snapshots": {}}, cloudant=couches)
    document = json.loads(path.read_text())
    assert document["ok"] is True
    assert [run["name"] for run in document["runs"]] == ["initial", "repeat", "change"]
    assert document["runs"][0]["resources"]["assets"]["created"] == 3
    assert document["verify"]["events"] == {"source": 5, "target": 5, "different": 0}
    assert document["delta"] == {"tables": tables, "snapshots": {}}
    assert document["cloudant"] == couches


def test_a_failure_is_not_ok(tmp_path: Path) -> None:
    summary.write(tmp_path / "report.json", [], ["initial: assets: created is 0, expected 3"], delta={}, cloudant={})
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["ok"] is False
    assert document["failures"] == ["initial: assets: created is 0, expected 3"]


def test_the_table_has_a_line_per_run_and_resource() -> None:
    run = perfect("initial")
    run.compared["raw"].differs("row", 1234)
    lines = summary.table([run, perfect("repeat")]).splitlines()
    assert lines[0].split() == list(summary.HEADER)
    assert [line.split()[:2] for line in lines[2:9]] == [["initial", resource] for resource in RESOURCES]
    assert lines[8].endswith("1,234 differ")
    assert [line.split()[0] for line in lines[10:]] == ["repeat"] * len(RESOURCES)
    assert set(lines[1]) == set(lines[9]) == {"-", " "}
    assert len({len(line) for line in lines}) == 1
