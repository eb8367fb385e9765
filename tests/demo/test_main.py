# SPDX-License-Identifier: Apache-2.0
"""How the demo ends: the report of an earlier one never stays, and the exit code tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

import pytest

from scripts.demo import __main__ as demo
from scripts.demo.airflow import AirflowError
from scripts.demo.steps import step

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report that an earlier, successful demo left."""
    monkeypatch.setattr(demo, "REPOSITORY", tmp_path)
    monkeypatch.setattr(demo, "BUILD", tmp_path / "build")
    path = tmp_path / "build" / "demo-report.json"
    path.parent.mkdir()
    path.write_text('{"ok": true}')
    return path


def prepare_that_raises(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(stack: object, halves: object) -> NoReturn:
        raise error

    monkeypatch.setattr(demo, "prepare", prepare)


def test_a_failed_command_ends_the_demo_with_its_reason(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_that_raises(AirflowError("airflow db migrate ended with 1, see db.log"), monkeypatch)
    assert demo.main() == 1
    assert json.loads(report.read_text()) == {
        "ok": False,
        "failures": ["airflow db migrate ended with 1, see db.log"],
        "runs": [],
        "verify": {},
        "delta": {"tables": {}, "snapshots": {}, "runs": []},
        "cloudant": {"refused_detected": False, "runs": [], "delta": {}},
    }
    assert "FAILED  airflow db migrate ended with 1, see db.log" in capsys.readouterr().out


@pytest.mark.parametrize("error", [RuntimeError("unforeseen"), KeyboardInterrupt()])
def test_whatever_else_happens_is_reported_and_raised(
    report: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    prepare_that_raises(error, monkeypatch)
    with pytest.raises(type(error)):
        demo.main()
    document = json.loads(report.read_text())
    assert document["ok"] is False
    assert document["failures"][0].startswith(type(error).__name__)


def test_half_a_demo_has_a_report_of_its_own(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[object] = []

    def prepare(stack: object, halves: object) -> NoReturn:
        played.append(halves)
        raise AirflowError("no Airflow")

    monkeypatch.setattr(demo, "prepare", prepare)
    assert demo.main(["--only", "cloudant"]) == 1
    assert demo.main([]) == 1
    assert played == [["cloudant"], demo.HALVES]
    assert json.loads((report.parent / "demo-report-cloudant.json").read_text())["failures"] == ["no Airflow"]


def test_what_any_half_found_fails_the_demo(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stage:
        def play(self, found: demo.Found) -> None:
            found.cloudant.failures.append("a document is missing")

    monkeypatch.setattr(demo, "prepare", lambda stack, halves: Stage())
    assert demo.main() == 1
    assert json.loads(report.read_text())["failures"] == ["a document is missing"]


def test_a_step_says_how_long_it_took_and_that_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with step("easy"):
        pass
    with pytest.raises(ValueError, match="no"), step("hard"):
        raise ValueError("no")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("easy … 0.")
    assert second == "hard … failed"
