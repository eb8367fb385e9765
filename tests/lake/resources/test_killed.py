# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at every effect of a run, and a retry: the table is that of an undisturbed run. And two runs at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from airflow_provider_replicator.cdf import listing
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
from tests.lake.killable import Killable, Outcome, kill_everywhere, rows_of, run_engine
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.resources.exports import Exports

PATHS = {"events": "resources/events", "raw": "raw/d/t"}
WINDOW = {"window": (0, 4_000_000_000_000)}
FULL: dict[str, Any] = {"max_delete_fraction": 1}


def run_in_small_pages(*arguments: Any) -> None:
    """In a process of its own."""
    listing.PAGE = raw_copy.PAGE = 20
    run_engine(*arguments)


def killed_everywhere(exports: Exports, killable: Killable, folder: Path, kind: str, mode: Any) -> list[str]:
    """Returns the effects of an undisturbed run. Mode full is one commit; of a window there may be a part."""
    sandbox = exports.project.sandbox
    chosen: dict[str, Any] = {"max_delete_fraction": 1, "rows_per_commit": 30, "mode": mode}
    if mode == "window":
        chosen["window"] = Window(*WINDOW["window"])
    options = RawTableOptions(**chosen) if kind == "raw" else ResourceOptions(resource=kind, **chosen)

    def run(lake: Lake, kill_at: int | None) -> Outcome:
        arguments = (sandbox.base_url, sandbox.token, exports.project.name, lake, options)
        return killable.run(run_in_small_pages, *arguments, kill_at=kill_at)

    def run_again(lake: Lake) -> None:
        run_engine(sandbox.base_url, sandbox.token, exports.project.name, lake, options)

    def content(lake: Lake) -> Any:
        there = DeltaTable.is_deltatable(lake.uri(PATHS[kind]))
        return rows_of(lake, PATHS[kind]) if there else [Counter()]

    at_once = mode == "full"
    return kill_everywhere(exports.lake, folder, run=run, run_again=run_again, content=content, at_once=at_once)


def first_state(exports: Exports, kind: str) -> None:
    if kind == "raw":
        exports.put_rows("d/t", {f"k{number}": {"n": number} for number in range(100)})
    else:
        exports.project.create("/events", *(event(number) for number in range(100)))


def again(exports: Exports, kind: str) -> None:
    """A whole run."""
    if kind == "raw":
        exports.export_raw(**FULL)
    else:
        exports.export(kind, **FULL)


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


@pytest.mark.parametrize(
    ("kind", "mode", "commits"),
    [
        ("events", "full", ["Table.replace"]),
        ("events", "window", ["TableMerger.execute"] * 3),
        ("raw", "full", ["Table.replace"]),
    ],
)
def test_killed_at_every_effect_and_tried_again(
    exports: Exports, killable: Killable, tmp_path: Path, kind: str, mode: str, commits: list[str]
) -> None:
    first_state(exports, kind)
    again(exports, kind)
    second_state(exports, kind)
    assert killed_everywhere(exports, killable, tmp_path, kind, mode) == commits


@pytest.mark.parametrize(("kind", "mode"), [("events", "full"), ("events", "window"), ("raw", "full")])
def test_killed_at_every_effect_of_a_first_run(
    exports: Exports, killable: Killable, tmp_path: Path, kind: str, mode: str
) -> None:
    first_state(exports, kind)
    effects = killed_everywhere(exports, killable, tmp_path, kind, mode)
    assert effects[0] == "Table._create"


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
