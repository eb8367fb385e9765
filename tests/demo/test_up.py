# SPDX-License-Identifier: Apache-2.0
"""Starting again after a crash, refusing a taken port, and connections that leave no file behind."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from airflow_provider_replicator.cdf.http.connection import read_connection
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from scripts import processes, sandbox, servers, setup_airflow, up
from scripts.demo.airflow import Airflow, AirflowError
from tests.demo import couches

PAUSE = "import signal; signal.pause()"
#: How the params of the example DAGs name connections.
CONN_ID = re.compile(r'_conn_id": Param\(\s*"(\w+)"')


def sleeper() -> subprocess.Popen[bytes]:
    """A process that never ends by itself."""
    return subprocess.Popen([sys.executable, "-c", PAUSE])


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "build" / "processes.json"


def started(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    return process.pid, psutil.Process(process.pid).create_time()


def ended() -> tuple[int, float]:
    """A process that was there, and is no more."""
    process = sleeper()
    found = started(process)
    process.kill()
    process.wait()
    return found


def test_what_a_killed_start_left_behind_is_ended(ledger: Path) -> None:
    process = sleeper()
    ledger.parent.mkdir()
    ledger.write_text(json.dumps([ended(), started(process), ended()]))
    processes.end_left_overs(ledger)
    assert not psutil.pid_exists(process.pid)
    process.wait()  # psutil was told how it ended; now subprocess knows that it did
    assert not ledger.exists()


def test_another_process_with_the_same_id_is_left_alone(ledger: Path) -> None:
    process = sleeper()
    try:
        pid, began = started(process)
        ledger.parent.mkdir()
        ledger.write_text(json.dumps([ended(), (pid, began - 5)]))
        processes.end_left_overs(ledger)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_start_that_still_runs_is_left_alone(ledger: Path) -> None:
    process = sleeper()
    try:
        processes.remember(ledger, [process.pid])  # as a start of this very process would
        with pytest.raises(processes.UpError, match=f"runs already .process {os.getpid()}."):
            processes.end_left_overs(ledger)
        assert process.poll() is None
        assert ledger.exists()
    finally:
        process.kill()
        process.wait()


def test_parts_that_end_by_themselves_are_named_with_their_log(tmp_path: Path) -> None:
    commands = {"steady": [sys.executable, "-c", PAUSE], "faulty": [sys.executable, "-c", "exit('no database')"]}
    parts = processes.Components(commands, environment=os.environ, logs=tmp_path / "logs")
    pids = parts.start()
    try:
        os.waitid(os.P_PID, pids[1], os.WEXITED | os.WNOWAIT)
        with pytest.raises(processes.UpError, match=r"faulty ended with 1, see .*faulty\.log"):
            parts.watch()
        assert (tmp_path / "logs" / "faulty.log").read_text() == "no database\n"
    finally:
        parts.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    parts.stop()


def test_a_taken_port_is_refused_with_a_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(processes.UpError, match=r"AIRFLOW_PORT=\d+ make up"):
            up.check_port(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("now", "loaded"),
    [
        ("2026-11-21T11:00", "2026-11-20T14:00"),
        ("2026-11-21T02:00", "2026-11-20T14:00"),
        ("2026-11-21T01:59", "2026-11-19T14:00"),
    ],
)
def test_the_source_was_changed_within_the_last_window_of_the_daily_dag(now: str, loaded: str) -> None:
    """At 11:00 that is [yesterday 02:00, today 02:00)."""
    found = sandbox.noon_of_the_last_window(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(loaded).replace(tzinfo=UTC)


def test_the_daily_dag_has_these_windows() -> None:
    dag = (up.REPOSITORY / "dags" / "replicate_cdf_project.py").read_text()
    assert f'CronDataIntervalTimetable("0 {sandbox.WINDOW_HOUR} * * *", timezone="UTC")' in dag


def test_every_dag_of_ours_is_waited_for() -> None:
    """The UI is announced once it shows them all."""
    texts = [path.read_text() for path in (up.REPOSITORY / "dags").glob("*.py")]
    assert sorted(name for text in texts for name in re.findall(r'dag_id="(\w+)"', text)) == sorted(up.DAGS)


def test_everything_listens_on_loopback_only() -> None:
    commands = up.components(8080)
    assert commands["api-server"][1:3] == ["--host", "127.0.0.1"]
    assert "--skip-serve-logs" in commands["scheduler"]
    assert "--skip-serve-logs" in commands["triggerer"]


def test_the_commands_are_commands_of_this_airflow() -> None:
    from airflow.cli.cli_parser import get_parser

    for arguments in up.components(8080).values():
        get_parser().parse_args(arguments)  # exits if it does not know an option


def test_secrets_are_new_at_every_start() -> None:
    first, second = up.settings(8080), up.settings(8080)
    assert first["AIRFLOW__API__SECRET_KEY"] != second["AIRFLOW__API__SECRET_KEY"]


def test_connections_and_pools_are_imported_and_the_file_with_the_token_is_gone(tmp_path: Path) -> None:
    calls: list[tuple[str, ...]] = []
    seen: dict[str, object] = {}

    def airflow(*arguments: str) -> None:
        calls.append(arguments)
        if arguments[0] == "connections":
            path = Path(arguments[-1])
            seen.update(json.loads(path.read_text()))
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    pools = tmp_path / "pools.json"
    connections = setup_airflow.cdf_connections("http://127.0.0.1:1", "t")
    setup_airflow.prepare(airflow, connections=connections, pools=pools)
    assert [call[:2] for call in calls] == [("db", "migrate"), ("connections", "import"), ("pools", "import")]
    assert not Path(calls[1][-1]).exists()
    assert calls[2][-1] == str(pools)
    assert seen == connections
    assert set(seen) == {"cdf_source", "cdf_target"}


def test_the_connections_are_what_the_hooks_read() -> None:
    fields = setup_airflow.connection("http://127.0.0.1:1", "source", "t")
    read = read_connection("cdf_source", host=fields["host"], extra=fields["extra"])
    assert (read.base_url, read.project, read.token) == ("http://127.0.0.1:1", "source", "t")
    couch = couches.read("c", setup_airflow.couchdb_connection("http://127.0.0.1:1", "admin", "a/+%@:& b"))
    assert couch.base_url == "http://127.0.0.1:1"
    assert couch.replication_endpoint("d") == {
        "url": "http://127.0.0.1:1/d",
        "auth": {"basic": {"username": "admin", "password": "a/+%@:& b"}},
    }


def test_no_extra_is_empty() -> None:
    """Airflow would write the empty object itself to its database, which takes text only."""
    plain = setup_airflow.couchdb_connection("http://127.0.0.1:1", "admin", "p")
    elsewhere = setup_airflow.couchdb_connection("http://couch:1", "admin", "p", replication_url="http://c:2")
    assert "extra" not in plain
    assert elsewhere["extra"] == {"replication_url": "http://c:2"}


def test_the_connections_are_those_that_the_dags_name_and_lead_to_what_runs() -> None:
    """Without starting anything: an address is all that a connection has of a server."""
    started = servers.Servers(RunningSandbox(), RunningS3(), RunningCouch(password="one"), RunningCouch(password="two"))
    for number, one in enumerate((started.couchdb_source, started.couchdb_target)):
        one.url = f"http://127.0.0.1:{5984 + number}"
    found = started.connections()
    named = {name for path in (up.REPOSITORY / "dags").glob("*.py") for name in CONN_ID.findall(path.read_text())}
    assert named == set(found)
    assert couches.read("s", found["cloudant_source"]).base_url == "http://127.0.0.1:5984"
    assert couches.read("t", found["cloudant_target"]).base_url == "http://127.0.0.1:5985"


def test_the_password_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    setup_airflow.write_password(path, "first")
    setup_airflow.write_password(path, "second")
    assert json.loads(path.read_text()) == {"admin": "second"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_command_names_its_log(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path / "home", tmp_path / "dags", tmp_path / "logs")
    with pytest.raises(AirflowError) as caught:
        airflow.run("no-such", "command", log="wrong")
    assert str(tmp_path / "logs" / "wrong.log") in str(caught.value)
    assert "invalid choice" in str(caught.value)


def test_settings_of_the_callers_airflow_are_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_CDF_SOURCE", "production")
    environment = Airflow(tmp_path / "home", tmp_path, tmp_path, extra={"CDF_POOLS": "on"}).environment()
    assert "AIRFLOW__CORE__EXECUTOR" not in environment
    assert "AIRFLOW_CONN_CDF_SOURCE" not in environment
    assert environment["CDF_POOLS"] == "on"
    assert len(environment["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
