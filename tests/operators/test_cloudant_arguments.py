# SPDX-License-Identifier: Apache-2.0
"""From arguments to jobs: what each operator makes of what a DAG file and its templates give it. No server is asked."""

from __future__ import annotations

import copy
import inspect
import re
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators import cloudant as operators
from airflow_provider_replicator.operators.cloudant import (
    CloudantBidirectionalReplicateOperator,
    CloudantReplicateOperator,
    CloudantVerifyReplicationOperator,
)
from airflow_provider_replicator.sensors import cloudant as sensors
from tests.operators.couch_tasks import Task

CLASSES: list[type[BaseOperator]] = [
    *(getattr(operators, name) for name in operators.__all__ if name != "CloudantToDeltaOperator"),
    *(getattr(sensors, name) for name in sensors.__all__),
]
#: What an operator is, and not what it does: these are the same for all tasks of a mapped operator.
NOT_TEMPLATED = {"deferrable"}
PAIR: dict[str, Any] = {"task_id": "t", "source_conn_id": "none", "source_db": "a", "target_conn_id": "none"}


def own_classes(kind: type[BaseOperator]) -> list[type]:
    return [cls for cls in kind.__mro__ if cls.__module__.startswith("airflow_provider_replicator")]


def own_arguments(kind: type[BaseOperator]) -> set[str]:
    made = [cls for cls in own_classes(kind) if "__init__" in vars(cls)]
    return {name for cls in made for name in inspect.signature(cls.__init__).parameters} - {"self", "kwargs"}  # type: ignore[misc]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_argument_is_documented_templated_and_kept_as_given(kind: type[BaseOperator]) -> None:
    documentation = "\n".join(cls.__doc__ or "" for cls in own_classes(kind))
    names = own_arguments(kind)
    assert names - set(re.findall(r":param (\w+):", documentation)) == set()
    assert set(kind.template_fields) == names - NOT_TEMPLATED
    values: dict[str, Any] = {name: object() for name in names}
    made = kind(task_id="t", **values)
    assert {name: getattr(made, name) for name in names} == values


@pytest.mark.parametrize("kind", CLASSES)
def test_a_task_can_be_copied_before_it_runs(kind: type[BaseOperator]) -> None:
    """Airflow copies tasks, deeply as well."""
    arguments: dict[str, Any] = {name: "x" for name in own_arguments(kind) if name in (*PAIR, "doc_id", "source_db")}
    made = kind(**{**arguments, "task_id": "t"})
    assert copy.deepcopy(made).task_id == copy.copy(made).task_id == "t"
    links = {link.name for link in made.operator_extra_links}
    waits = isinstance(made, BaseSensorOperator) or "deferrable" in own_arguments(kind)
    assert links == ({"Replication document", "Cloudant dashboard"} if waits else set())


def plan(operator: Any, *, retried: bool = False) -> Any:
    context = Task(operator).context
    return operator._plan(context, operator._legs(context), retried=retried)


def test_without_arguments_the_defaults_are_those_of_the_engine() -> None:
    made = plan(CloudantReplicateOperator(**PAIR))
    (leg,) = made.legs
    assert leg.options == ReplicationOptions(source_db="a", target_db="a")
    assert made.limits == WaitLimits(timeout=86_400.0)
    assert made.policies == Policies(if_completed="rerun")
    assert made.owner == Owner(dag_id="dag", task_id="t", run_id="run-1", map_index=-1)
    assert (made.level, made.repair, made.cancel_on_failure) == (None, False, True)
    assert plan(CloudantReplicateOperator(**PAIR), retried=True).policies.if_completed == "reuse"


def test_what_templates_make_of_nothing_is_nothing() -> None:
    nothing = {
        name: "None" for name in CloudantReplicateOperator.template_fields if not name.startswith(("source", "target"))
    }
    assert plan(CloudantReplicateOperator(**PAIR, **nothing)) == plan(CloudantReplicateOperator(**PAIR))


def test_arguments_that_templates_have_made_text_are_read() -> None:
    operator = CloudantReplicateOperator(
        **PAIR,
        target_db="b",
        continuous="False",
        create_target="True",
        selector="{'type': 'order', 'n': {'$gt': 3}}",
        winning_revs_only="true",
        options='{"worker_batch_size": 1000, "create_target_params": {"q": 2}}',
        timeout="90",
        poll_interval="2.5",
        max_crashes="7",
        limits="{'pending_timeout': '60', 'grace_crashes': 0}",
        if_completed="reuse",
        on_mismatch="fail",
        on_duplicate="wait",
        on_write_failures="warn",
        keep_document="yes",
        verify="bodies",
        repair="1",
        cancel_on_failure="no",
    )
    made = plan(operator)
    assert made.legs[0].options == ReplicationOptions(
        source_db="a",
        target_db="b",
        create_target=True,
        create_target_params={"q": 2},
        selector={"type": "order", "n": {"$gt": 3}},
        winning_revs_only=True,
        worker_batch_size=1000,
    )
    assert made.limits == WaitLimits(
        timeout=90.0, poll_interval=2.5, max_crashes=7, pending_timeout=60.0, grace_crashes=0
    )
    assert made.policies == Policies(
        if_completed="reuse", on_mismatch="fail", on_duplicate="wait", on_write_failures="warn", keep_document=True
    )
    assert (made.level, made.repair, made.cancel_on_failure) == ("bodies", True, False)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({"timeout": timedelta(minutes=2)}, 120.0),
        ({"execution_timeout": timedelta(hours=1)}, 3600.0),
        ({"execution_timeout": timedelta(hours=1), "timeout": 5}, 5.0),
    ],
)
def test_a_wait_is_always_bounded(arguments: dict[str, Any], seconds: float) -> None:
    assert plan(CloudantReplicateOperator(**PAIR, **arguments)).limits.timeout == seconds


def test_both_ways_are_two_jobs_with_documents_of_their_own() -> None:
    made = plan(CloudantBidirectionalReplicateOperator(**PAIR, target_db="b", doc_id="x", create_target=True))
    there, back = made.legs
    assert (there.options.source_db, there.options.target_db, there.doc_id, there.back) == ("a", "b", "x", False)
    assert (back.options.source_db, back.options.target_db, back.doc_id, back.back) == ("b", "a", "x-back", True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source_db": "None"}, "source_db is empty"),
        ({"doc_ids": ""}, "doc_ids is empty"),
        ({"doc_ids": ["a"], "selector": {}}, "exclude each other"),
        ({"options": {"batch_timeout": 3}}, "no server has ever known it"),
        ({"options": {"worker_proceses": 3}}, "worker_processes"),
        ({"options": {"http_connections": 0}}, "zero makes a server hang"),
        ({"options": {"continuous": True}, "continuous": True}, "given twice"),
        ({"options": {"source_proxy": "http://u:p@proxy"}}, "holds credentials"),
        ({"limits": {"max_crash": 1}}, "unknown in limits: max_crash"),
        ({"limits": {"timeout": 1}}, "unknown in limits: timeout"),
        ({"poll_interval": 0}, "poll_interval is 0"),
        ({"on_duplicate": "ignore"}, "on_duplicate is 'ignore'"),
        ({"verify": "everything"}, "verify is 'everything'"),
        ({"repair": True}, "repair needs a verification"),
        ({"continuous": True, "verify": "counts"}, "never complete"),
        ({"cancel_on_failure": "perhaps"}, "cancel_on_failure is 'perhaps'"),
    ],
)
def test_a_wrong_argument_is_an_error_before_anything_is_opened(arguments: dict[str, Any], words: str) -> None:
    operator = CloudantReplicateOperator(**PAIR | arguments)
    with pytest.raises(ConfigurationError, match=words):
        Task(operator).run()  # its connections do not exist


def test_source_and_target_are_two_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NONE", '{"conn_type": "couchdb", "host": "http://127.0.0.1:1"}')
    for kind in (CloudantReplicateOperator, CloudantVerifyReplicationOperator):
        with pytest.raises(ConfigurationError, match="are the same database, a at http"):
            Task(kind(**PAIR)).run()
