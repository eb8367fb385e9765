# SPDX-License-Identifier: Apache-2.0
"""A real Airflow for tests: scheduler, executor, API server and all, on loopback ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

ROOT = Path(__file__).parents[2]
AIRFLOW = [sys.executable, "-m", "airflow"]
T = TypeVar("T")

#: What standalone starts as "airflow". The log servers would listen on all interfaces of the machine.
COMMAND = f"""#!/bin/sh
case "$1" in scheduler|triggerer) set -- "$@" --skip-serve-logs ;; esac
exec {shlex.join(AIRFLOW)} "$@"
"""
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until(what: str, probe: Callable[[], T], *, seconds: float = 120.0) -> T:
    """Ask again until the answer is true. Raises AssertionError that says what did not happen."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
    return answer


def _is_quietened(process: psutil.Process) -> bool:
    try:
        return bool({"scheduler", "triggerer", "dag-processor"} & set(process.cmdline()))
    except psutil.Error:  # it has ended meanwhile
        return False


class RunningAirflow:
    """``airflow standalone`` for the length of a ``with`` block: LocalExecutor, SQLite, no password, nothing but loopback."""

    def __init__(self, *, home: Path, dags: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.log = home / "standalone.log"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environment = {
            **inherited,
            "PATH": os.pathsep.join([str(home / "bin"), os.environ.get("PATH", os.defpath)]),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "PYTHONPATH": str(ROOT),
            **environment,
        }

    def __enter__(self) -> Self:
        command = self.home / "bin" / "airflow"
        command.parent.mkdir(parents=True)
        command.write_text(COMMAND)
        command.chmod(0o700)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*AIRFLOW, "standalone"],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.home,
                start_new_session=True,  # one signal ends all its processes
            )
        try:
            wait_until("Airflow is healthy", self._healthy, seconds=180)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process of it, the unwilling ones by force."""
        process, self._process = self._process, None
        if process is None:
            return
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        _, unwilling = psutil.wait_procs(family, timeout=3)
        for member in unwilling:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait(20)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Everything but the API server holds its breath: SQLite refuses who reads and then writes while others write."""
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True)
        held = [one for one in family if _is_quietened(one)]
        try:
            for one in held:
                with suppress(psutil.NoSuchProcess):
                    one.suspend()
            yield
        finally:
            for one in held:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def _healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"Airflow ended:\n{self.log.read_text()[-4000:]}"
        try:
            health = self.get("/monitor/health")
        except OSError:
            return False
        return all(health[name]["status"] == "healthy" for name in COMPONENTS)

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, payload: Any) -> Any:
        return self.call("POST", path, payload)

    def call(self, method: str, path: str, payload: Any = None) -> Any:
        """One request to ``/api/v2``. Raises AssertionError for any status but 2xx."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            body = None if payload is None else json.dumps(payload)
            connection.request(method, f"/api/v2{path}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        assert response.status < 300, f"{method} {path}: {response.status} {text}"
        return json.loads(text) if text else None

    def command(self, *arguments: str) -> str:
        """The output of ``airflow …``, beside the running components and in the same home."""
        done = subprocess.run(
            [*AIRFLOW, *arguments], env=self.environment, cwd=self.home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def unpause(self, dag_id: str) -> None:
        """As soon as the DAG processor has found it."""
        wait_until(f"{dag_id} is found", lambda: dag_id in {dag["dag_id"] for dag in self.get("/dags")["dags"]})
        wait_until(f"{dag_id} is switched on", lambda: self._switched_on(dag_id))

    def _switched_on(self, dag_id: str) -> bool:
        try:
            with self.quiet():
                self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        except AssertionError as error:
            if "Database error" not in str(error):  # SQLite, locked by somebody who holds its breath: let it go on
                raise
            return False
        return True

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Trigger a run, without a logical date unless one is given; returns its id."""
        run = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": dict(conf or {}), **more})
        return str(run["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")
        return found

    def ended(self, dag_id: str, run_id: str, *, seconds: float = 180.0) -> str:
        """The final state of a run."""

        def final() -> str | None:
            state: str = self.run(dag_id, run_id)["state"]
            return state if state in ("success", "failed") else None

        return wait_until(f"{run_id} of {dag_id} ends", final, seconds=seconds) or ""

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """One unmapped task instance."""
        found: dict[str, Any] = self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}")
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        found = self.get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances")
        return list(found["task_instances"])

    def report(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/xcomEntries/report"
        value = self.get(f"{path}?map_index={map_index}&deserialize=false&stringify=false")["value"]
        found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
        return found
