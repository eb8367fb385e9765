# SPDX-License-Identifier: Apache-2.0
"""Reports stay small, checkpoints belong to one run, and the retry policy knows every error."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_provider_replicator import exceptions
from airflow_provider_replicator.cdf.options import DatapointOptions, Options, Selection
from airflow_provider_replicator.core.checkpoint import MemoryStore
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.operators._checkpoints import checkpoint_of
from airflow_provider_replicator.operators._outcome import summary, within_limit
from airflow_provider_replicator.retry_policy import REPLICATION_RETRY_POLICY


def test_a_report_full_of_dead_letters_in_any_script_stays_under_four_kilobytes() -> None:
    report = Report("events", "source", "target", "window", Window(0, 86_400_000))
    for number in range(1000):
        report.dead_letter(f"ポンプ-{number}", "値が大きすぎます" * 40)
    report.skipped = {f"reason {number}": number for number in range(10)}
    fitting = within_limit(report.as_dict())
    assert len(json.dumps(fitting)) <= 4000
    assert len(fitting["dead_letters"]) > 1
    assert fitting["failed"] == 1000
    assert fitting["skipped"] == report.skipped


def test_a_small_report_is_left_alone() -> None:
    report = Report("events", "source", "target", "full").as_dict()
    assert within_limit(report) == report


def test_the_summary_names_what_is_not_zero() -> None:
    report = Report(
        "events", "plant", "copy", "full", read=1200, created=1000, failed=1, requests={"source": 2, "target": 3}
    )
    report.skip("unlinkable", 199)
    assert summary(report.as_dict()) == (
        "events: read 1 200, created 1 000, failed 1, skipped as unlinkable 199; "
        "done in 0.0 s; requests: 2 to plant, 3 to copy"
    )
    empty = Report("events", "plant", "copy", "full", dry_run=True).as_dict()
    assert summary(empty).startswith("events: nothing to copy; dry run, nothing written in")


def context(store: Any, max_tries: int = 3) -> Any:
    return {"task_state_store": store, "ti": SimpleNamespace(max_tries=max_tries)}


def checkpoint(store: Any, *, max_tries: int = 3, **changes: Any) -> Any:
    identity: dict[str, Any] = {
        "resource_type": "assets",
        "source": "s",
        "target": "t",
        "options": Options(),
        **changes,
    }
    return checkpoint_of(context(store, max_tries), **identity)


def test_a_retry_finds_the_checkpoint_of_the_try_before() -> None:
    store = MemoryStore()
    checkpoint(store).save({"page": 7})
    assert checkpoint(store).load() == {"page": 7}


@pytest.mark.parametrize(
    "change",
    [
        {"max_tries": 7},  # the task was cleared
        {"resource_type": "events"},
        {"source": "other"},
        {"target": "other"},
        {"options": Options(mode="window", window=Window(0, 1))},
        {"options": Options(dry_run=True)},
        {"options": Options(selection=Selection(external_ids=("a",)))},
        {"options": DatapointOptions(shard=(0, 2))},
    ],
)
def test_a_cleared_task_and_another_choice_of_options_start_over(change: dict[str, Any]) -> None:
    store = MemoryStore()
    checkpoint(store).save({"page": 7})
    assert checkpoint(store, **change).load() is None


def test_a_function_is_the_same_in_every_process() -> None:
    """Its repr would hold an address: no retry would ever find its checkpoint."""
    store = MemoryStore()
    checkpoint(store, options=DatapointOptions(transform=lambda t, v: (t, v))).save({"page": 7})
    assert checkpoint(store, options=DatapointOptions(transform=lambda t, v: (t, v))).load() == {"page": 7}
    assert checkpoint(store, options=DatapointOptions(transform=json.dumps)).load() is None


def test_without_a_state_store_there_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        without: Any = {"ti": SimpleNamespace(max_tries=0)}
        made = checkpoint_of(without, resource_type="assets", source="s", target="t", options=Options())
    made.save({"page": 1})
    assert made.load() == {"page": 1}
    assert [record.message for record in caplog.records if "state store" in record.message] == [
        "This Airflow has no task state store: a killed task will start over instead of going on"
    ]


def leaves(error: type[BaseException]) -> list[type[BaseException]]:
    return [error, *(leaf for child in error.__subclasses__() for leaf in leaves(child))]


def decided(error: type[BaseException]) -> RetryAction:
    return REPLICATION_RETRY_POLICY.evaluate(error.__new__(error), 1, 3).action


def test_permanent_errors_fail_at_once_and_transient_ones_are_retried() -> None:
    assert {decided(error) for error in leaves(exceptions.PermanentError)} == {RetryAction.FAIL}
    assert {decided(error) for error in leaves(exceptions.TransientError)} == {RetryAction.RETRY}
    assert len(leaves(exceptions.PermanentError)) > 5
    assert decided(AirflowNotFoundException) == RetryAction.FAIL
    assert decided(ZeroDivisionError) == RetryAction.DEFAULT


def test_the_policy_survives_being_stored_with_the_dag() -> None:
    stored = json.loads(json.dumps(REPLICATION_RETRY_POLICY.serialize()))
    again = type(REPLICATION_RETRY_POLICY).deserialize(stored)
    assert again.evaluate(exceptions.WindowError("-"), 1, 3).action == RetryAction.FAIL
