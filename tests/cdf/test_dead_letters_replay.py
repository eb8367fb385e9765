# SPDX-License-Identifier: Apache-2.0
"""What was refused is copied from the file of dead letters, once the target takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.options import Options, Selection
from airflow_provider_replicator.core.dead_letters import keys_in
from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError
from airflow_provider_replicator.operators.cdf import CdfReplicateEventsOperator
from tests.cdf.test_objects_refusals import refusing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.projects import Pair


def options_of(**arguments: Any) -> Options:
    """The options an operator makes of its arguments when it runs in mode window."""
    operator = CdfReplicateEventsOperator(task_id="t", source_conn_id="s", target_conn_id="t", **arguments)
    return operator._options(selection=Selection(), mode="full")


def test_refused_objects_are_copied_later_and_nothing_else(pair: Pair, tmp_path: Path) -> None:
    pair.source.create("/events", {"externalId": "named", "type": "bad"}, {"type": "bad"}, {"externalId": "fine"})
    letters = str(tmp_path / "letters.jsonl")
    refusing(pair, "/events", lambda item: item.get("type") == "bad")
    with pytest.raises(PartialReplicationError):
        pair.replicate("events", dead_letter_path=letters)
    pair.wrap.clear()
    pair.source.create("/events", {"externalId": "later"})

    selection = options_of(replay_dead_letters=letters).selection
    assert selection.external_ids is not None
    assert len(selection.external_ids) == 2
    report = pair.replicate("events", selection=selection)["events"]
    assert (report.read, report.created, report.failed) == (2, 2, 0)
    report = pair.replicate("events", selection=selection)["events"]
    assert (report.read, report.created, report.unchanged) == (2, 0, 2)


def test_nothing_to_replay_is_skipped_and_nonsense_is_refused(tmp_path: Path) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    letters = tmp_path / "letters.jsonl"
    letters.write_text('{"resource": "assets", "key": "a"}\n{"resource": "eve')
    assert keys_in(str(letters), "assets") == ("a",)
    with pytest.raises(AirflowSkipException, match="no dead letters of events"):
        options_of(replay_dead_letters=str(letters))
    letters.write_text('nonsense\n{"resource": "events", "key": "e"}\n')
    with pytest.raises(ConfigurationError, match="line 1"):
        options_of(replay_dead_letters=str(letters))
    with pytest.raises(ConfigurationError, match="cannot read"):
        options_of(replay_dead_letters=str(tmp_path / "missing"))
    letters.write_text('{"resource": "events", "key": "e"}\n')
    operator = CdfReplicateEventsOperator(
        task_id="t", source_conn_id="s", target_conn_id="t", replay_dead_letters=str(letters)
    )
    with pytest.raises(ConfigurationError, match="neither with external_ids nor with deletes"):
        operator._options(selection=Selection(), mode="full", delete_missing=True)
