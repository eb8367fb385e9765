# SPDX-License-Identifier: Apache-2.0
"""What each run has to report, to the last object. Every function returns what is wrong, in words; nothing if all is well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scripts.demo.compare import OBJECTS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.demo.change import Change
    from scripts.demo.compare import Comparison

#: Counts that have to be zero unless an expectation says otherwise.
WRITES = ("created", "updated", "deleted", "written")
#: Ends of paths that only read, although they are POST requests.
READING = ("/list", "/byids", "/aggregate", "/latest", "/search", "/token")


@dataclass(slots=True)
class Run:
    """One run of the DAG: its task reports by resource type, what its task ``verify`` found, and what the demo found itself.

    ``touched`` holds the target's objects and rows that were written since the run before.
    """

    name: str
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    verified: dict[str, Any] = field(default_factory=dict)
    compared: dict[str, Comparison] = field(default_factory=dict)
    touched: dict[str, set[str]] = field(default_factory=dict)


def initial(run: Run, counts: Mapping[str, int]) -> list[str]:
    """Everything is created, nothing else happens."""
    expected = {resource: {"created": counts[resource]} for resource in OBJECTS}
    expected |= {resource: {"written": counts[resource]} for resource in ("datapoints", "raw")}
    return _reports(run, expected) + _equal(run, counts)


def repeat(run: Run, counts: Mapping[str, int], requests: Mapping[str, int]) -> list[str]:
    """Nothing is written: neither by what the tasks say, nor by what the target was asked (``requests`` of the sandbox)."""
    expected = {resource: {"unchanged": counts[resource]} for resource in RESOURCES}
    wrong = _reports(run, expected)
    wrong += [f"{run.name}: the target was asked to write: {name}, {n} times" for name, n in writes(requests).items()]
    return wrong + _touched(run, {}) + _equal(run, counts)


def change(run: Run, counts: Mapping[str, int], changed: Change) -> list[str]:
    """Just the change is carried over."""
    expected: dict[str, dict[str, int]] = {
        "assets": {"updated": len(changed.objects["assets"])},
        "events": {"created": len(changed.objects["events"])},
        "datapoints": {"written": changed.points_corrected, "deleted": changed.points_deleted},
    }
    now = dict(counts)
    now["events"] += len(changed.objects["events"])
    now["datapoints"] -= changed.points_deleted
    return _reports(run, expected) + _touched(run, changed.objects) + _equal(run, now)


def writes(requests: Mapping[str, int]) -> dict[str, int]:
    """Requests to the project ``target`` that could have changed something, from the sandbox's counters."""
    found = {}
    for name, count in requests.items():
        project, method, path = name.split(" ", 2)
        if project == "target" and method != "GET" and not path.endswith(READING):
            found[name] = count
    return found


def _reports(run: Run, expected: Mapping[str, Mapping[str, int]]) -> list[str]:
    wrong: list[str] = []
    for resource in RESOURCES:
        report = run.resources.get(resource)
        if report is None:
            wrong.append(f"{run.name}: the task {resource} returned no report")
            continue
        wanted = dict.fromkeys((*WRITES, "failed", "unlinked"), 0) | dict(expected.get(resource, {}))
        for name, count in wanted.items():
            if report[name] != count:
                wrong.append(f"{run.name}: {resource}: {name} is {report[name]}, expected {count}")
    return wrong + _verified(run)


def _touched(run: Run, expected: Mapping[str, set[str]]) -> list[str]:
    return [
        f"{run.name}: {resource}: written were {sorted(found)[:5]} ({len(found)} in all), expected {sorted(wanted)}"
        for resource in RESOURCES
        if (found := run.touched.get(resource, set())) != (wanted := expected.get(resource, set()))
    ]


def _verified(run: Run) -> list[str]:
    """The DAG's own verification has to have looked at everything and found nothing."""
    found = run.verified.get("resources", {})
    return [
        f"{run.name}: verify: {resource}: {found.get(resource, 'not compared')}"
        for resource in RESOURCES
        if resource not in found or found[resource]["different"] or found[resource]["extra"]
    ]


def _equal(run: Run, counts: Mapping[str, int]) -> list[str]:
    wrong = [
        f"{run.name}: {resource}: {found.different} differences, first: {'; '.join(found.first)}"
        for resource, found in run.compared.items()
        if found.different
    ]
    wrong += [
        f"{run.name}: {resource}: the source has {found.source}, expected {counts[resource]}"
        for resource, found in run.compared.items()
        if found.source != counts[resource]
    ]
    return wrong
