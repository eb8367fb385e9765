# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every effect of a run, and a retry: the table is that of an undisturbed run. And two runs at once."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import LakeConflictError
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.resources.exports import Exports

PATHS = {"events": "events", "raw": "raw/d/t"}
WINDOW = {"window": (0, 4_000_000_000_000)}
FULL: dict[str, Any] = {"max_delete_fraction": 1}


def start(exports: Exports, kind: str, mode: str, moment: str) -> subprocess.Popen[bytes]:
    """A run in a process of its own that kills itself at ``moment``."""
    sandbox = exports.project.sandbox
    arguments = [sandbox.base_url, sandbox.token, exports.project.name, exports.lake.root, kind, mode, moment]
    return subprocess.Popen([sys.executable, "-m", "tests.lake.resources.killed_run", *arguments])


def again(exports: Exports, kind: str, mode: str) -> None:
    """A whole run."""
    window = WINDOW if mode == "window" else FULL
    if kind == "raw":
        exports.export_raw(**window)
    else:
        exports.export(kind, **window)


def first_state(exports: Exports, kind: str) -> None:
    if kind == "raw":
        exports.put_rows("d/t", {f"k{number}": {"n": number} for number in range(100)})
    else:
        exports.project.create("/events", *(event(number) for number in range(100)))


def second_state(exports: Exports, kind: str) -> None:
    if kind == "raw":
        exports.put_rows("d/t", {f"k{number}": {"n": -number} for number in range(80, 120)})
        exports.delete_rows("d/t", "k1")
    else:
        found = exports.project.by_key("/events")
        for number in range(5):
            exports.project.update("/events", found[f"e{number}"], description={"set": "x"})
        exports.project.create("/events", *(event(number) for number in range(100, 120)))
        exports.project.delete("/events", found["e7"])


def rows(exports: Exports, kind: str) -> list[Any]:
    return sorted(exports.rows(PATHS[kind]), key=lambda row: str(row.get("_key") or row["id"]))


@pytest.mark.parametrize(
    ("kind", "mode", "moments"),
    [
        ("events", "full", ["page:3", "before:1", "after:1"]),
        # three merges
        ("events", "window", ["before:1", "after:1", "page:3", "before:3", "after:3"]),
        ("raw", "full", ["before:1", "after:1"]),
    ],
)
def test_killed_at_every_effect_and_tried_again(
    exports: Exports, new_lake: Callable[[], Lake], kind: str, mode: str, moments: list[str]
) -> None:
    first_state(exports, kind)
    begun = exports.lake
    again(exports, kind, "full")
    second_state(exports, kind)
    before = rows(exports, kind)
    exports.lake = _copy(begun, new_lake())
    again(exports, kind, mode)
    after = rows(exports, kind)
    assert before != after

    lakes = {moment: _copy(begun, new_lake()) for moment in moments}
    killed = []
    for moment, exports.lake in lakes.items():
        killed.append(start(exports, kind, mode, moment))
    assert [process.wait(60) for process in killed] == [-signal.SIGKILL] * len(moments)
    for moment, exports.lake in lakes.items():
        if mode == "full":
            assert rows(exports, kind) == (after if moment.startswith("after") else before)
        again(exports, kind, mode)
        assert rows(exports, kind) == after, moment


def test_killed_when_the_table_has_just_been_made(exports: Exports) -> None:
    first_state(exports, "events")
    assert start(exports, "events", "window", "created:1").wait(60) == -signal.SIGKILL
    assert exports.rows("events") == []
    again(exports, "events", "window")
    assert len(exports.by("id", "events")) == 100


def _copy(lake: Lake, to: Lake) -> Lake:
    shutil.copytree(lake.prefix, to.prefix)
    return to


# -- two at once


async def while_reading(
    exports: Exports, first: dict[str, Any], change: Callable[[], None], second: dict[str, Any]
) -> tuple[Any, Report]:
    """``first`` reads; then the source changes, and ``second`` runs from begin to end; then ``first`` goes on."""
    go_on = asyncio.Event()
    read = asyncio.Event()

    async def held_run(source: CdfClient) -> Report:
        post = source.post_json

        async def held(path: str, payload: Any) -> Any:
            answer = await post(path, payload)
            if path == "/events/list":
                read.set()
                await go_on.wait()
            return answer

        source.post_json = held  # type: ignore[method-assign]
        return await exports.exporting(source, "events", **first)

    task = asyncio.create_task(exports.connected(held_run))
    await read.wait()
    change()
    report = await exports.connected(lambda source: exports.exporting(source, "events", **second))
    go_on.set()
    return (await asyncio.gather(task, return_exceptions=True))[0], report


@pytest.mark.parametrize(("first", "second"), [(FULL, FULL), (FULL, WINDOW), (WINDOW, FULL)])
def test_of_two_runs_the_one_that_has_read_before_the_other_wrote_is_refused(
    exports: Exports, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """It would bring back what is gone, or take away what is new. Its retry is right."""
    made = exports.project.create("/events", *(event(number) for number in range(10)))
    exports.export("events")

    def change() -> None:
        exports.project.delete("/events", made[3])
        exports.project.create("/events", event(10))

    outcome, _ = asyncio.run(while_reading(exports, first, change, second))
    assert isinstance(outcome, LakeConflictError), outcome
    gone = {"e3"} if "window" not in second else set()
    assert set(exports.by("externalId", "events")) == {f"e{number}" for number in range(11)} - gone
    exports.export("events", **first)
    if "window" not in first:
        assert set(exports.by("externalId", "events")) == {f"e{number}" for number in range(11)} - {"e3"}


def test_a_merge_goes_on_beside_compaction(exports: Exports) -> None:
    made = exports.project.create("/events", *(event(number) for number in range(10)))
    exports.export("events", **WINDOW, rows_per_commit=3)

    def change() -> None:
        exports.project.update("/events", made[0], description={"set": "x"})
        exports.table("events").optimize.compact()

    outcome, _ = asyncio.run(while_reading(exports, WINDOW, change, {"window": (0, 1)}))
    assert outcome.updated == 10
    exports.export("events", **WINDOW)
    assert exports.by("externalId", "events")["e0"]["description"] == "x"
