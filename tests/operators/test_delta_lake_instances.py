# SPDX-License-Identifier: Apache-2.0
"""From arguments to options."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.feeds.options import MergeWhen
from airflow_provider_replicator.lake.instances.options import InstancesOptions
from airflow_provider_replicator.operators.delta_lake import CdfToDeltaInstancesOperator


def options(**arguments: Any) -> InstancesOptions:
    task = CdfToDeltaInstancesOperator(task_id="task", cdf_conn_id="source", **{"space": "plant", **arguments})
    return task._options(**task._common_options({}))


def test_defaults() -> None:
    assert options() == InstancesOptions(space="plant")


def test_rendered_arguments_are_read() -> None:
    assert options(
        data_model="Model",
        views="Pump, Tank",
        edge_spaces="[]",
        history="True",
        resync="None",
        merge_when='{"share": 0.5, "hours": null}',
        page_size="500",
        parallel="2",
        max_failed="3",
        on_misfit="rescue",
    ) == InstancesOptions(
        space="plant",
        data_model="Model",
        views=("Pump", "Tank"),
        edge_spaces=(),
        history=True,
        merge_when=MergeWhen(share=0.5, hours=None),
        page_size=500,
        parallel=2,
        max_failed=3,
        on_misfit="rescue",
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": ""}, "space is missing"),
        ({"page_size": 2001}, "page_size is 2001: write a whole number from 1 to 2000"),
        ({"merge_when": {"often": 1}}, "merge_when: .*often.* Write some of: small_table, share"),
        ({"merge_when": {"share": 0}}, "merge_when: share is 0"),
        ({"on_misfit": "ignore"}, "on_misfit is 'ignore': write 'fail' or 'rescue'"),
        ({"on_schema_change": "x"}, "on_schema_change is 'x'"),
        ({"data_model_version": "v1"}, "data_model_version without data_model"),
    ],
)
def test_wrong_arguments_say_what_to_write(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options(**wrong)


def test_every_argument_is_documented_and_templated() -> None:
    names = set(inspect.signature(CdfToDeltaInstancesOperator.__init__).parameters) - {"self", "kwargs"}
    documented = set(re.findall(r":param (\w+):", CdfToDeltaInstancesOperator.__doc__ or ""))
    assert names == documented
    assert names <= set(CdfToDeltaInstancesOperator.template_fields)
