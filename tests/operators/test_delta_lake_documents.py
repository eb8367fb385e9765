# SPDX-License-Identifier: Apache-2.0
"""From arguments to options; and whole tasks over HTTP, with connections of Airflow."""

from __future__ import annotations

import inspect
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from airflow.sdk import AssetAlias

from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError
from airflow_provider_replicator.lake.documents.options import DocumentsOptions
from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.operators import cloudant, delta_lake
from airflow_provider_replicator.operators.delta_lake import CloudantToDeltaOperator, DeltaPublishSnapshotOperator
from tests.operators.couch_tasks import Task
from tests.operators.couch_world import PASSWORD, SOURCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operators.couch_world import World


def made(**arguments: Any) -> CloudantToDeltaOperator:
    return CloudantToDeltaOperator(task_id="documents", **{"database": "orders", **arguments})


def options(**arguments: Any) -> DocumentsOptions:
    task = made(**arguments)
    return task._options(**task._common_options({}))


def test_it_has_two_public_names() -> None:
    assert cloudant.CloudantToDeltaOperator is delta_lake.CloudantToDeltaOperator


def test_defaults() -> None:
    assert options() == DocumentsOptions(database="orders")


def test_rendered_arguments_are_read() -> None:
    assert options(
        table_name="None",
        columns='{"n": "int64", "deep": {"type": "text", "path": "a.b"}}',
        deletes="mark",
        history="True",
        design_documents="false",
        on_recreated="fail",
        merge_when='{"megabytes": 5, "hours": null}',
        page_size="500",
        max_failed="3",
        on_misfit="rescue",
    ) == DocumentsOptions(
        database="orders",
        columns={"n": "int64", "deep": {"type": "text", "path": "a.b"}},
        deletes="mark",
        history=True,
        on_recreated="fail",
        merge_when=MergeWhen(megabytes=5, hours=None),
        page_size=500,
        max_failed=3,
        on_misfit="rescue",
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"database": "None"}, "database is missing"),
        ({"page_size": 10_001}, "page_size is 10001: write a whole number from 1 to 10000"),
        ({"merge_when": {"often": 1}}, "merge_when: .*often.* Write some of: small_table, share"),
        ({"on_misfit": "ignore"}, "on_misfit is 'ignore': write 'fail' or 'rescue'"),
        ({"columns": {"n": "number"}}, "columns: 'n' is of type 'number': write a type"),
        ({"columns": "int64"}, "columns is 'int64'"),
    ],
)
def test_wrong_arguments_say_what_to_write(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(**wrong)


def test_every_argument_is_documented_and_templated() -> None:
    names = set(inspect.signature(CloudantToDeltaOperator.__init__).parameters) - {"self", "kwargs"}
    documented = set(re.findall(r":param (\w+):", CloudantToDeltaOperator.__doc__ or ""))
    assert names == documented
    assert names <= set(CloudantToDeltaOperator.template_fields)


# -- whole tasks


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The root of the lake that the default connection leads to."""
    connection = {"conn_type": "delta_lake_s3", "extra": {"bucket": f"file://{tmp_path}"}}
    monkeypatch.setenv("AIRFLOW_CONN_DELTA_LAKE_DEFAULT", json.dumps(connection))
    return f"file://{tmp_path}"


def assets(task: Task, alias: str) -> dict[str, dict[str, Any]]:
    events = task.events[AssetAlias(alias)].asset_alias_events
    return {event.dest_asset_key.uri: event.extra for event in events}


def test_a_task_follows_a_database(world: World, lake: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = world.database()
    source.fill(30)
    operator = made(database=source.name, cloudant_conn_id=SOURCE, table_name="orders")
    first = Task(operator)
    report = first.run()
    assert first.pushed == {"report": report}
    assert (report["resource"], report["read"], report["written"]) == ("documents", 30, 30)
    assert (report["source"], report["target"]) == (f"{SOURCE}/{source.name}", lake)
    assert len(json.dumps(report)) < 4000
    ((uri, extra),) = assets(first, "delta:documents").items()
    assert uri == f"{lake}/documents/orders"
    assert (extra["written"], extra["did"]) == (30, ["load"])
    source.put("one more", {"n": 31})
    second = Task(operator)
    assert second.run()["written"] == 1
    assert len(pl.read_delta(uri)) == 31
    assert PASSWORD not in caplog.text + json.dumps(report) + repr(operator)

    snapshot = DeltaPublishSnapshotOperator(task_id="snapshot", snapshot="orders", tables=["documents/*"])
    assert Task(snapshot).run()["tables"][0]["rows"] == 31


def test_what_does_not_fit_fails_the_task_and_is_in_its_report(world: World, lake: str) -> None:
    source = world.database()
    source.put("fits", {"n": 1})
    source.put("does not", {"n": "many"})
    arguments = {"database": source.name, "cloudant_conn_id": SOURCE, "columns": {"n": "int64"}, "table_name": "t"}
    task = Task(made(**arguments))
    with pytest.raises(PartialReplicationError, match=r"does not: n: 'many' is no int64"):
        task.run()
    assert task.pushed["report"]["failed"] == 1
    assert len(pl.read_delta(f"{lake}/documents/t")) == 1
    assert Task(made(**arguments, max_failed=1)).run()["read"] == 0
