# SPDX-License-Identifier: Apache-2.0
"""From arguments to options."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from airflow_provider_replicator.cdf.options import Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
from airflow_provider_replicator.operators.delta_lake import CdfToDeltaDatapointsOperator


def options(**arguments: Any) -> PointsOptions | FeedOptions:
    task = CdfToDeltaDatapointsOperator(task_id="task", cdf_conn_id="source", **arguments)
    interval: Any = {"data_interval_start": 0, "data_interval_end": 86_400_000}
    return task._options(**task._common_options(interval))


def test_defaults() -> None:
    window = Window(0, 86_400_000, "data interval")
    assert options() == PointsOptions(mode="window", window=window)
    assert options(mode="full") == PointsOptions()
    assert options(subscription="s", mode="None") == FeedOptions(subscription="s")


def test_rendered_arguments_are_read() -> None:
    assert options(
        mode="full",
        external_ids="a, b",
        shard='{"index": "1", "count": "2"}',
        buckets="4",
        partition_by="day",
        table_name="t",
        include_status="True",
        subscription="None",
        resync="None",
    ) == PointsOptions(
        selection=Selection(external_ids=("a", "b")),
        shard=(1, 2),
        buckets=4,
        partition_by="day",
        table_name="t",
        include_status=True,
    )
    assert options(
        subscription="s",
        create_subscription='{"timeSeriesIds": ["a"]}',
        on_removed="delete",
        resync="True",
        batch_points="10",
        max_minutes="0.5",
        max_failed="3",
    ) == FeedOptions(
        subscription="s",
        create_subscription={"timeSeriesIds": ["a"]},
        on_removed="delete",
        resync=True,
        batch_points=10,
        max_minutes=0.5,
        max_failed=3,
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"partition_by": "hour"}, "partition_by is 'hour': write 'day' or 'month'"),
        ({"buckets": 0}, "buckets is 0"),
        ({"resync": "True"}, "resync needs a subscription"),
        ({"create_subscription": {"filter": {}}}, "create_subscription needs a subscription"),
        ({"subscription": "s", "external_ids": ["a"]}, "external_ids does not go together with a subscription"),
        ({"subscription": "s", "mode": "full"}, "mode does not go together"),
        ({"subscription": "s", "shard": {"index": 0, "count": 2}}, "shard does not go together"),
        ({"subscription": "s", "on_removed": "x"}, "on_removed is 'x'"),
        ({"subscription": "s", "batch_points": 0}, "batch_points and max_minutes"),
        ({"shard": {"index": 2, "count": 2}}, "shard is"),
    ],
)
def test_wrong_arguments_say_what_to_write(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(**wrong)


def test_every_argument_is_documented_and_templated() -> None:
    names = set(inspect.signature(CdfToDeltaDatapointsOperator.__init__).parameters) - {"self", "kwargs"}
    documented = set(re.findall(r":param (\w+):", CdfToDeltaDatapointsOperator.__doc__ or ""))
    assert names == documented
    assert names <= set(CdfToDeltaDatapointsOperator.template_fields)
