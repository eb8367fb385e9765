# SPDX-License-Identifier: Apache-2.0
"""From arguments to options: what each operator makes of what a DAG file and its templates give it. Nothing is run here."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_provider_replicator.cdf.options import DatapointOptions, Options, RawOptions, Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError, WindowError
from airflow_provider_replicator.operators import cdf
from airflow_provider_replicator.operators._base import CdfProjectsOperator
from airflow_provider_replicator.operators._replicate import CdfReplicateOperator

OPERATORS: list[type[CdfProjectsOperator]] = [getattr(cdf, name) for name in cdf.__all__]
REPLICATING = [operator for operator in OPERATORS if issubclass(operator, CdfReplicateOperator)]
CONNECTIONS = {"task_id": "task", "source_conn_id": "source", "target_conn_id": "target"}

DAY = datetime(2026, 11, 5, tzinfo=UTC)
DAY_MS = 1_793_836_800_000
HOUR_MS = 3_600_000


def make(operator: type[CdfProjectsOperator], **arguments: Any) -> Any:
    needed = {} if issubclass(operator, CdfReplicateOperator) else {"resource_types": ["assets"]}
    return operator(**CONNECTIONS, **{**needed, **arguments})


def options(operator: type[CdfProjectsOperator], context: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """What the engine would be called with."""
    task = make(operator, **arguments)
    return task._options(**task._common_options(context or {}))


def interval(start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "data_interval_start": start,
        "data_interval_end": end,
        "params": {"window_start": None, "window_end": None},
    }


def own_arguments(operator: type[CdfProjectsOperator]) -> set[str]:
    """The arguments of an operator that are not those of every Airflow operator."""
    classes = [cls for cls in operator.__mro__ if issubclass(cls, CdfProjectsOperator) and "__init__" in vars(cls)]
    names = {name for cls in classes for name in inspect.signature(cls.__init__).parameters}
    return names - {"self", "kwargs"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_argument_is_documented_templated_and_kept_as_given(operator: type[CdfProjectsOperator]) -> None:
    documentation = "\n".join(cls.__doc__ or "" for cls in operator.__mro__ if issubclass(cls, CdfProjectsOperator))
    names = own_arguments(operator)
    assert names - set(re.findall(r":param (\w+):", documentation)) == set()
    assert set(operator.template_fields) == names - {"transform"}
    given: dict[str, Any] = {name: object() for name in names - {"source_conn_id", "target_conn_id"}}
    task = make(operator, **given)
    assert {name: getattr(task, name) for name in given} == given


@pytest.mark.parametrize("operator", OPERATORS)
def test_arguments_are_keywords(operator: type[CdfProjectsOperator]) -> None:
    with pytest.raises(TypeError):
        operator("task", "source", "target")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing keyword argument"):
        operator(task_id="task")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no_such_argument"):
        make(operator, no_such_argument=1)


@pytest.mark.parametrize("operator", REPLICATING)
def test_without_arguments_the_defaults_are_those_of_the_options(operator: type[CdfProjectsOperator]) -> None:
    made = options(operator)
    assert made == type(made)()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {
                "mode": "full",
                "dry_run": "True",
                "skip_unlinkable": "true",
                "skip_nonasset": "1",
                "on_conflict": "fail",
                "dead_letter_path": "/tmp/letters.jsonl",
                "delete_missing": "yes",
                "delete_foreign": "on",
                "max_delete_fraction": "0.25",
                "max_failed": "3",
                "overlap_minutes": "1.5",
            },
            Options(
                dry_run=True,
                skip_unlinkable=True,
                skip_nonasset=True,
                on_conflict="fail",
                dead_letter_path="/tmp/letters.jsonl",
                delete_missing=True,
                delete_foreign=True,
                max_delete_fraction=0.25,
                max_failed=3,
                overlap_ms=90_000,
            ),
        ),
        ({name: "None" for name in CdfReplicateOperator.template_fields if not name.endswith("conn_id")}, Options()),
        (
            {
                "external_ids": "['a', 'b']",
                "external_id_prefix": "pump",
                "exclude_pattern": "^tmp",
                "data_set_external_ids": "one, two",
                "asset_subtree_external_ids": '["root"]',
                "max_depth": "2",
            },
            Options(
                selection=Selection(
                    external_ids=("a", "b"),
                    external_id_prefix="pump",
                    exclude_pattern="^tmp",
                    data_set_external_ids=("one", "two"),
                    asset_subtree_external_ids=("root",),
                    max_depth=2,
                )
            ),
        ),
    ],
)
def test_arguments_rendered_to_text_become_options(arguments: dict[str, Any], expected: Options) -> None:
    assert options(cdf.CdfReplicateAssetsOperator, **arguments) == expected


def test_arguments_of_datapoints_and_raw_become_options() -> None:
    made = options(
        cdf.CdfReplicateDatapointsOperator,
        mirror="False",
        limit="100",
        shard="{'index': 1, 'count': 4}",
        transform="json:dumps",
    )
    assert made == DatapointOptions(mirror=False, limit=100, shard=(1, 4), transform=json.dumps)
    assert options(cdf.CdfReplicateDatapointsOperator, mode="full") == DatapointOptions(resume=False)
    made = options(cdf.CdfReplicateRawOperator, databases="sap*", tables=["orders", "pi/tags"])
    assert made == RawOptions(databases=("sap*",), tables=("orders", "pi/tags"))


@pytest.mark.parametrize(
    ("operator", "arguments", "message"),
    [
        (cdf.CdfReplicateAssetsOperator, {"external_ids": ""}, "external_ids is an empty list"),
        (cdf.CdfReplicateAssetsOperator, {"external_ids": "[]"}, "external_ids is an empty list"),
        (cdf.CdfReplicateAssetsOperator, {"dry_run": "perhaps"}, "dry_run is 'perhaps'"),
        (cdf.CdfReplicateAssetsOperator, {"max_failed": "-1"}, "max_failed is -1"),
        (cdf.CdfReplicateAssetsOperator, {"overlap_minutes": "-1"}, "overlap_minutes is -1"),
        (cdf.CdfReplicateAssetsOperator, {"overlap_minutes": "nan"}, "overlap_minutes is nan"),
        (cdf.CdfReplicateAssetsOperator, {"max_depth": 1}, "max_depth"),
        (cdf.CdfReplicateAssetsOperator, {"mode": "incremental"}, "mode is 'incremental'"),
        (cdf.CdfReplicateAssetsOperator, {"on_conflict": "merge"}, "on_conflict is 'merge'"),
        (cdf.CdfReplicateDatapointsOperator, {"shard": {"index": 4, "count": 4}}, "shard is"),
        (cdf.CdfReplicateDatapointsOperator, {"shard": {"index": 0}}, "shard is"),
        (cdf.CdfReplicateDatapointsOperator, {"shard": {"index": -1, "count": 4}}, "shard is"),
        (cdf.CdfReplicateDatapointsOperator, {"shard": {"index": "a", "count": 4}}, "shard.index is 'a'"),
        (cdf.CdfReplicateDatapointsOperator, {"transform": "lambda t, v: (t, v)"}, "transform"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(
    operator: type[CdfProjectsOperator], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        options(operator, **arguments)


@pytest.mark.parametrize(
    ("arguments", "context", "mode", "window"),
    [
        ({}, {}, "full", None),
        ({}, interval(DAY, DAY), "full", None),
        ({}, interval(DAY, DAY + timedelta(hours=1)), "window", Window(DAY_MS, DAY_MS + HOUR_MS, "data interval")),
        (
            {"window_start": "2026-11-05", "window_end": "2026-11-05T01:00:00Z"},
            interval(DAY, DAY + timedelta(days=1)),
            "window",
            Window(DAY_MS, DAY_MS + HOUR_MS, "arguments"),
        ),
        (
            {"window_start": "{{ not.rendered }}", "window_end": None, "mode": "full"},
            {},
            WindowError,
            None,
        ),
        (
            {},
            {"params": {"window_start": DAY.isoformat(), "window_end": "2026-11-05T01:00:00+00:00"}},
            "window",
            Window(DAY_MS, DAY_MS + HOUR_MS, "params"),
        ),
        ({"mode": "full"}, interval(DAY, DAY + timedelta(days=1)), "full", None),
        ({"mode": "window"}, interval(DAY, DAY), ConfigurationError, None),
        ({"mode": "window"}, {}, ConfigurationError, None),
        ({"mode": "full", "window_start": "2026-11-05", "window_end": "2026-11-06"}, {}, ConfigurationError, None),
        ({"window_start": "2026-11-05"}, {}, WindowError, None),
        ({"window_start": "2026-11-06", "window_end": "2026-11-05"}, {}, WindowError, None),
    ],
)
def test_mode_and_window_of_a_run(
    arguments: dict[str, Any], context: dict[str, Any], mode: str | type[Exception], window: Window | None
) -> None:
    task = make(cdf.CdfReplicateEventsOperator, **arguments)
    if isinstance(mode, type):
        with pytest.raises(mode, match="window"):
            task._mode_and_window(context)
    else:
        assert task._mode_and_window(context) == (mode, window)


def test_an_error_about_a_missing_window_names_the_three_ways_to_give_one() -> None:
    with pytest.raises(ConfigurationError, match=r"arguments window_start and window_end.*run params.*data interval"):
        options(cdf.CdfReplicateEventsOperator, mode="window")


def test_verification_names_what_it_compares() -> None:
    with pytest.raises(ConfigurationError, match="resource_types"):
        make(cdf.CdfVerifyReplicationOperator, resource_types="[]")._prepared({})


@pytest.mark.parametrize("operator", REPLICATING)
def test_every_replicating_task_has_an_asset_alias_beside_the_outlets_it_is_given(
    operator: type[CdfReplicateOperator],
) -> None:
    alias = AssetAlias(f"cdf:{operator.resource_type}")
    asset = Asset("x-mine")
    assert make(operator).outlets == [alias]
    assert make(operator, outlets=asset).outlets == [asset, alias]
    assert make(operator, outlets=[asset]).outlets == [asset, alias]
