# SPDX-License-Identifier: Apache-2.0
"""What all operators that write Delta tables do around their engines: connect, run, report, tell who is scheduled on a table."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    PartialReplicationError,
    TransientError,
    WindowError,
)
from airflow_provider_replicator.operators._lake_base import CdfToDeltaWindowOperator, DeltaOperator
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "a-static-token-that-nobody-may-see"
WINDOW = {"window_start": "2026-11-05", "window_end": "2026-11-06"}


class Export(CdfToDeltaWindowOperator):
    """An engine that asks the source once and says that it wrote some tables."""

    resource_type = "things"
    tables: tuple[str, ...] = ("things/one", "things/a!20b")
    fail = False
    started: threading.Event | None = None

    def _options(self, **common: Any) -> Any:
        return common

    async def _run(self, options: Any, run: Any) -> Report:
        report = Report("things", run["source"].project, run["lake"].root, options["mode"], options["window"])
        await run["source"].post_json("/assets/list", {"limit": 1})
        await asyncio.to_thread(run["lake"].objects().put, "things/x", b"1")
        if self.started is not None:
            self.started.set()
            await asyncio.sleep(60)
        for number, table in enumerate(self.tables):
            report.wrote(table, written=number, deleted=1, version=7)
        if self.fail:
            report.dead_letter("k", "does not fit")
            raise PartialReplicationError("one does not fit", report.as_dict())
        return report


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(token=TOKEN) as running:
        yield running


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, tmp_path: Path) -> str:
    """The root of the lake that the connections lead to."""
    cdf = {"conn_type": "cdf", "host": sandbox.base_url, "extra": {"project": "source", "token": TOKEN}}
    lake = {"conn_type": "delta_lake_s3", "extra": {"bucket": f"file://{tmp_path}/lake"}}
    monkeypatch.setenv("AIRFLOW_CONN_MY_CDF", json.dumps(cdf))
    monkeypatch.setenv("AIRFLOW_CONN_MY_LAKE", json.dumps(lake))
    return f"file://{tmp_path}/lake"


class Context:
    """As much of a task's context as operators use."""

    def __init__(self, task: DeltaOperator) -> None:
        self.pushed: dict[str, Any] = {}
        self.events = OutletEventAccessors()
        ti = SimpleNamespace(xcom_push=lambda key, value: self.pushed.update({key: value}))
        self.values: Any = {"ti": ti, "task": task, "outlet_events": self.events}

    def assets(self, alias: str) -> dict[str, dict[str, Any]]:
        return {event.dest_asset_key.uri: event.extra for event in self.events[AssetAlias(alias)].asset_alias_events}


def make(**arguments: Any) -> Export:
    return Export(task_id="t", cdf_conn_id="my_cdf", delta_conn_id="my_lake", **(WINDOW | arguments))


def test_a_run_leaves_a_report_and_an_event_per_table(connected: str) -> None:
    task = make(outlets=[Asset("x-mine")])
    assert task.outlets == [Asset("x-mine"), AssetAlias("delta:things")]
    context = Context(task)

    report = task.execute(context.values)

    assert context.pushed == {"report": report}
    window = Window(1_793_836_800_000, 1_793_923_200_000, "arguments").as_dict()
    assert (report["source"], report["target"], report["mode"], report["window"]) == (
        "source",
        connected,
        "window",
        window,
    )
    assert (report["written"], report["deleted"]) == (1, 2)
    assert report["tables"][1] == {"table": "things/a!20b", "written": 1, "deleted": 1, "version": 7}
    events = context.assets("delta:things")
    assert set(events) == {f"{connected}/things/one", f"{connected}/things/a!20b"}
    assert (
        events[f"{connected}/things/one"] | {"written": 0, "resource": "things", "source": "source"}
        == events[f"{connected}/things/one"]
    )


def test_many_tables_are_few_bytes_in_the_report_and_all_in_the_events(connected: str) -> None:
    task = make()
    task.tables = tuple(f"things/{'long-name-' * 5}{number}" for number in range(200))
    context = Context(task)
    report = task.execute(context.values)
    assert len(json.dumps(report)) <= 4000
    assert 0 < len(report["tables"]) < 200
    assert len(context.assets("delta:things")) == 200
    assert report["deleted"] == 200


@pytest.mark.usefixtures("connected")
def test_a_run_that_left_something_out_fails_with_its_report_and_no_event() -> None:
    task = make()
    task.fail = True
    context = Context(task)
    with pytest.raises(PartialReplicationError):
        task.execute(context.values)
    assert context.pushed["report"]["failed"] == 1
    assert context.assets("delta:things") == {}


@pytest.mark.usefixtures("connected")
def test_a_task_that_is_told_to_stop_stops_and_may_be_retried() -> None:
    task = make()
    task.started = threading.Event()

    def kill() -> None:
        assert task.started is not None
        task.started.wait(30)
        task.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TransientError, match="told to stop"):
        task.execute(Context(task).values)
    killer.join()


@pytest.mark.usefixtures("connected")
def test_a_task_that_is_told_to_stop_before_its_engine_runs_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    task = make()
    read = task._options

    def told_meanwhile(**common: Any) -> Any:
        task.on_kill()
        return read(**common)

    monkeypatch.setattr(task, "_options", told_meanwhile)
    sandbox.control.reset_counters()
    with pytest.raises(TransientError, match="told to stop"):
        task.execute(Context(task).values)
    assert sandbox.control.counters()["requests"] == {}


def test_arguments_are_read_before_anything_is_opened() -> None:
    """These connections do not exist."""
    for arguments, error in (
        ({"window_end": None}, WindowError),
        ({"mode": "full"}, ConfigurationError),
        ({"max_failed": "some"}, ConfigurationError),
    ):
        with pytest.raises(error):
            make(**arguments).execute({})


def test_the_options_are_what_was_given() -> None:
    task = make(dead_letter_path="/tmp/x", max_failed="3", on_misfit="rescue")
    options = task._options(**task._common_options({}))
    assert {name: options[name] for name in ("dead_letter_path", "max_failed", "on_misfit", "mode")} == {
        "dead_letter_path": "/tmp/x",
        "max_failed": 3,
        "on_misfit": "rescue",
        "mode": "window",
    }
    assert set(task.template_fields) >= {"cdf_conn_id", "delta_conn_id", "mode", "window_start", "window_end"}


@pytest.mark.usefixtures("connected")
def test_secrets_are_neither_in_the_log_nor_in_the_report(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    task = make()
    context = Context(task)
    report = task.execute(context.values)
    out = capfd.readouterr()
    shown = caplog.text + out.out + out.err + repr(report) + repr(context.assets("delta:things"))
    assert "things" in shown
    assert TOKEN not in shown
