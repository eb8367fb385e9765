# SPDX-License-Identifier: Apache-2.0
"""From arguments to options; and whole tasks over HTTP, with connections of Airflow."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import AssetAlias

from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError, DeleteGuardError, PartialReplicationError
from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
from airflow_provider_replicator.operators._lake_base import CdfToDeltaWindowOperator
from airflow_provider_replicator.operators.delta_lake import CdfToDeltaRawOperator, CdfToDeltaResourceOperator
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.acceptance.projects import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTERVAL = {"data_interval_start": 0, "data_interval_end": 86_400_000}


def task(operator: type[CdfToDeltaWindowOperator] = CdfToDeltaResourceOperator, **arguments: Any) -> Any:
    if operator is CdfToDeltaResourceOperator:
        arguments = {"resource": "events", **arguments}
    return operator(task_id="task", cdf_conn_id="cdf", **arguments)


def options(operator: type[CdfToDeltaWindowOperator] = CdfToDeltaResourceOperator, **arguments: Any) -> Any:
    made = task(operator, **arguments)
    return made._options(**made._common_options(INTERVAL))


def test_defaults() -> None:
    window = Window(0, 86_400_000, "data interval")
    assert options() == ResourceOptions(resource="events", mode="window", window=window)
    assert options(mode="full") == ResourceOptions(resource="events")
    assert options(CdfToDeltaRawOperator) == RawTableOptions(mode="window", window=window)


def test_rendered_arguments_are_read() -> None:
    common: dict[str, Any] = {
        "mode": "full",
        "dry_run": "True",
        "max_delete_fraction": "0.5",
        "on_schema_change": "freeze",
        "overlap_minutes": "0.5",
        "rows_per_commit": "10",
        "max_failed": "2",
        "on_misfit": "rescue",
        "dead_letter_path": "None",
    }
    expected: dict[str, Any] = {
        "dry_run": True,
        "max_delete_fraction": 0.5,
        "on_schema_change": "freeze",
        "overlap_ms": 30_000,
        "rows_per_commit": 10,
        "max_failed": 2,
        "on_misfit": "rescue",
    }
    assert options(
        resource="assets", aggregates="true", asset_subtree_external_ids="['a']", max_depth="1", **common
    ) == ResourceOptions(
        resource="assets",
        aggregates=True,
        selection=Selection(asset_subtree_external_ids=("a",), max_depth=1),
        **expected,
    )
    assert options(
        CdfToDeltaRawOperator,
        databases="a, b",
        tables='["x*"]',
        exclude_pattern="None",
        schema='{"n": "int64"}',
        **common,
    ) == RawTableOptions(databases=("a", "b"), tables=("x*",), schema={"n": "int64"}, **expected)


@pytest.mark.parametrize(
    ("operator", "wrong", "message"),
    [
        (CdfToDeltaResourceOperator, {"resource": "thing"}, "resource is 'thing': write one of assets, events"),
        (CdfToDeltaResourceOperator, {"external_ids": ""}, "external_ids is an empty list"),
        (CdfToDeltaResourceOperator, {"overlap_minutes": -1}, "overlap_minutes is -1"),
        (CdfToDeltaResourceOperator, {"on_schema_change": "x"}, "on_schema_change is 'x': write 'evolve' or 'freeze'"),
        (CdfToDeltaRawOperator, {"schema": {"a": "number"}}, "'a' of '[*]' is 'number': write one of text, boolean"),
        (CdfToDeltaRawOperator, {"schema": "int64"}, "schema is"),
    ],
)
def test_wrong_arguments_say_what_to_write(operator: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(operator, **wrong)


@pytest.mark.parametrize("operator", [CdfToDeltaResourceOperator, CdfToDeltaRawOperator])
def test_every_argument_is_documented_and_templated(operator: type[CdfToDeltaWindowOperator]) -> None:
    ours = [cls for cls in operator.__mro__ if cls.__module__.startswith("airflow_provider_replicator")]
    names = {
        name
        for cls in ours
        if "__init__" in vars(cls)
        for name in inspect.signature(cls.__init__).parameters  # type: ignore[misc]
    } - {"self", "kwargs"}
    documented = {name for cls in ours for name in re.findall(r":param (\w+):", cls.__doc__ or "")}
    assert names == documented
    assert names <= set(operator.template_fields)


def test_the_alias_of_a_resource_unless_it_is_not_known_yet() -> None:
    def aliases(**arguments: Any) -> set[str]:
        return {outlet.name for outlet in task(**arguments).outlets if isinstance(outlet, AssetAlias)}

    assert aliases() == {"delta:resources", "delta:resources/events"}
    assert aliases(resource="{{ params.resource }}") == {"delta:resources"}


# -- whole tasks


class Instance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


class Events(dict[Any, Any]):
    """Outlet events by outlet, as a task has them."""

    def __missing__(self, outlet: Any) -> Any:
        self[outlet] = event = Event()
        return event


class Event(list[tuple[Any, dict[str, Any]]]):
    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        self.append((asset, extra))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=["one", "two", "three"]) as running:
        yield running


@pytest.fixture
def project(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: Any) -> Project:
    extra = {"project": request.param, "token": sandbox.token}
    fields = {"conn_type": "cdf", "host": sandbox.base_url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CDF", json.dumps(fields))
    lake = {"conn_type": "delta_lake_s3", "extra": {"bucket": f"file://{tmp_path}"}}
    monkeypatch.setenv("AIRFLOW_CONN_DELTA_LAKE_DEFAULT", json.dumps(lake))
    return Project(sandbox, request.param)


def execute(made: Any) -> tuple[dict[str, Any], Events]:
    """What was pushed, and the events. Raises what the task raises."""
    instance, events = Instance(), Events()
    context = {"ti": instance, "task": made, "outlet_events": events}
    try:
        returned = made.execute(context)
    except PartialReplicationError as error:
        error.report["pushed"] = instance.pushed
        raise
    assert instance.pushed == {"report": returned}
    return returned, events


@pytest.mark.parametrize("project", ["one"], indirect=True)
def test_a_task_returns_its_counts_and_records_an_event_per_table(project: Project, tmp_path: Path) -> None:
    project.create("/events", {"externalId": "a"}, {"externalId": "b"})
    returned, events = execute(task(mode="full"))
    assert (returned["read"], returned["written"], returned["created"]) == (2, 2, 2)
    assert (returned["source"], returned["target"]) == ("one", f"file://{tmp_path}")
    assert returned["requests"]["source"] >= 1
    for alias in events:
        [(asset, extra)] = events[alias]
        assert asset.uri == f"file://{tmp_path}/resources/events"
        assert (extra["written"], extra["mode"], extra["version"]) == (2, "full", 1)
    assert {alias.name for alias in events} == {"delta:resources", "delta:resources/events"}

    _, events = execute(task(mode="full", dry_run=True))
    assert not events


@pytest.mark.parametrize("project", ["two"], indirect=True)
def test_a_task_fails_when_something_is_not_as_it_should_be(project: Project) -> None:
    """The older replicators ended with 0, whatever had happened."""
    latest = 2**63 - 1
    made = project.create("/events", {"externalId": "a"}, {"externalId": "b"}, {"externalId": "c", "endTime": latest})
    with pytest.raises(PartialReplicationError, match="1 of 3 could not be copied") as caught:
        execute(task(mode="full"))
    assert caught.value.report["pushed"]["report"]["failed"] == 1
    execute(task(mode="full", max_failed=1))
    project.delete("/events", made[0])
    with pytest.raises(DeleteGuardError):
        execute(task(mode="full", max_failed=1))
    with pytest.raises(ConfigurationError, match="mode='window', but"):
        execute(task(mode="window"))


@pytest.mark.parametrize("project", ["three"], indirect=True)
def test_raw_in_a_task(project: Project, tmp_path: Path) -> None:
    for number in range(40):
        items = [{"key": "k", "columns": {"n": number}}]
        project.call("POST", f"/raw/dbs/db/tables/t{number:02}/rows?ensureParent=true", {"items": items})
    returned, events = execute(task(CdfToDeltaRawOperator, mode="full", schema={"n": "int64"}))
    assert returned["written"] == 40
    assert len(json.dumps(returned)) <= 4000
    [recorded] = events.values()
    assert sorted(asset.uri for asset, _ in recorded) == [
        f"file://{tmp_path}/raw/db/t{number:02}" for number in range(40)
    ]
