# SPDX-License-Identifier: Apache-2.0
"""What could not be copied is kept, whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_replicator.core.dead_letters import DeadLetters
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import PartialReplicationError


def report() -> Report:
    return Report("assets", "here", "there", "full", read=10)


def test_a_refused_object_is_a_line_that_is_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "letters.jsonl"
    counts = report()
    letters = DeadLetters(counts, str(path))
    assert not path.parent.exists()  # nothing refused, nothing made
    document = {"externalId": "a", "name": "Ærø\n"}
    letters.add("assets", "a", document, "400 no")
    line = json.loads(path.read_text("utf-8"))  # not closed: this is what a crash leaves
    letters.close()
    assert line.pop("time").endswith("Z")
    assert line == {
        "resource": "assets",
        "key": "a",
        "reason": "400 no",
        "document": document,
        "source": "here",
        "target": "there",
    }
    assert (counts.failed, counts.dead_letters) == (1, ["a: 400 no"])


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    for key in ("a", "b"):
        with DeadLetters(report(), str(path)) as letters:
            letters.add("events", key, {}, "no")
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counts = report()
    with DeadLetters(counts) as letters:
        letters.add("assets", "a", {}, "no")
    assert counts.failed == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("failed", "max_failed", "raises"), [(0, 0, False), (1, 0, True), (2, 2, False), (3, 2, True)])
def test_too_many_fail_the_task_with_the_report(failed: int, max_failed: int, raises: bool) -> None:
    counts = report()
    letters = DeadLetters(counts, None, max_failed)
    for number in range(failed):
        letters.add("assets", f"key {number}", {}, "no")
    if not raises:
        letters.raise_if_too_many()
        return
    with pytest.raises(
        PartialReplicationError, match=rf"assets: {failed} of 10 could not be copied.*key 0: no"
    ) as caught:
        letters.raise_if_too_many()
    assert caught.value.report == counts.as_dict()


def test_the_message_stays_short_and_says_where_all_of_them_are(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    with DeadLetters(report(), str(path)) as letters:
        for number in range(1000):
            letters.add("assets", f"key {number}", {"x": "y" * 1000}, "no" * 1000)
        with pytest.raises(PartialReplicationError) as caught:
            letters.raise_if_too_many()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000 + len(str(path))
