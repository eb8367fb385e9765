# SPDX-License-Identifier: Apache-2.0
"""From arguments to options, and what a published snapshot leaves in Airflow."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from airflow.sdk import Asset, AssetAlias
from deltalake import write_deltalake

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from airflow_provider_replicator.operators.delta_lake import DeltaPublishSnapshotOperator

if TYPE_CHECKING:
    from pathlib import Path


def made(**arguments: Any) -> DeltaPublishSnapshotOperator:
    return DeltaPublishSnapshotOperator(task_id="task", **{"snapshot": "plant", "tables": ["resources/*"], **arguments})


def options(**arguments: Any) -> dict[str, Any]:
    return made(**arguments)._options()


def test_defaults() -> None:
    assert options() == {"name": "plant", "tables": ("resources/*",), "options": SnapshotOptions()}


def test_rendered_arguments_are_read() -> None:
    read = options(
        tables="resources/events, instances/plant/*/v1/nodes",
        formats="['parquet', 'hyper']",
        names="property",
        keep_versions="0",
        reuse_unchanged="False",
        missing_ok="true",
        temporary_folder="/tmp/x",
    )
    assert read["tables"] == ("resources/events", "instances/plant/*/v1/nodes")
    assert read["options"] == SnapshotOptions(
        formats=("parquet", "hyper"),
        names="property",
        keep_versions=0,
        reuse_unchanged=False,
        missing_ok=True,
        temporary_folder="/tmp/x",
    )
    named = {"resources/events": "Events", "raw/a/b": None}
    assert options(tables=named)["tables"] == named
    assert options(tables=json.dumps(named))["tables"] == named
    assert options(tables=str(named))["tables"] == named


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"snapshot": "None"}, "snapshot is missing"),
        ({"formats": "csv"}, "formats is .*: write"),
        ({"formats": ["hyper"]}, "formats is .*parquet"),
        ({"names": "x"}, "names is 'x': write 'column' or 'property'"),
        ({"keep_versions": -1}, "keep_versions is -1"),
        ({"tables": {"resources/events": 1}}, "tables: 'resources/events': write"),
    ],
)
def test_wrong_arguments_say_what_to_write(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(**wrong)


def test_every_argument_is_documented_and_templated() -> None:
    names = set(inspect.signature(DeltaPublishSnapshotOperator.__init__).parameters) - {"self", "kwargs"}
    assert names == set(re.findall(r":param (\w+):", DeltaPublishSnapshotOperator.__doc__ or ""))
    assert names <= set(DeltaPublishSnapshotOperator.template_fields)


class Events(dict[Any, Any]):
    """Outlet events by outlet, as a task has them."""

    def __missing__(self, outlet: Any) -> Any:
        self[outlet] = event = Event()
        return event


class Event(list[tuple[Asset, dict[str, Any]]]):
    def add(self, asset: Asset, extra: dict[str, Any]) -> None:
        self.append((asset, extra))


class Instance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


def test_a_task_returns_a_small_report_and_one_asset_event(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(60):
        write_deltalake(f"{tmp_path}/resources/table-{number:03}", pa.table({"a": [1, 2]}))
    connection = {"conn_type": "delta_lake_s3", "extra": {"bucket": f"file://{tmp_path}"}}
    monkeypatch.setenv("AIRFLOW_CONN_DELTA_LAKE_DEFAULT", json.dumps(connection))
    task, instance, events = made(), Instance(), Events()
    returned = task.execute({"ti": instance, "task": task, "outlet_events": events})  # type: ignore[typeddict-item]
    assert instance.pushed == {"report": returned}
    assert len(json.dumps(returned)) <= 4000
    assert returned["tables"][0] == {"table": "resources/table-000", "name": "table-000"} | {
        name: returned["tables"][0][name] for name in ("rows", "bytes", "version")
    }
    assert (returned["table_count"], returned["written"], returned["read"]) == (60, 120, 120)
    assert (tmp_path / returned["manifest"]).is_file()
    assert {outlet.name for outlet in events} == {"delta:publish", "delta:publish/plant"}
    for happened in events.values():
        [(asset, extra)] = happened
        assert asset.uri == f"file://{tmp_path}/publish/plant"
        assert (extra["table_count"], extra["written"], extra["run"]) == (60, 120, returned["run"])


def test_a_templated_name_has_no_alias_of_its_own() -> None:
    assert [outlet.name for outlet in made(snapshot="{{ params.x }}").outlets if isinstance(outlet, AssetAlias)] == [
        "delta:publish"
    ]
