# SPDX-License-Identifier: Apache-2.0
"""``make up``: a sandbox with the compressor data set, two CouchDB servers, and a real Airflow with its UI, until Ctrl-C.

Everything listens on the loopback address only. Airflow's components are started one by one instead of by ``airflow
standalone``, because that one also opens log servers on all interfaces. Every start is a new one, as the sandbox keeps its data
in memory: a new Airflow, and a random password of ``admin``, token of the sandbox and secret that signs Airflow's tokens.

``AIRFLOW_PORT`` chooses the port of the UI (8080 if not set).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import servers
from scripts.demo import wheel
from scripts.demo.airflow import Airflow, AirflowError
from scripts.processes import Components, UpError, end_left_overs, remember
from scripts.setup_airflow import POOLS, prepare, write_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from scripts.servers import Servers

REPOSITORY = Path(__file__).resolve().parent.parent
HOME = REPOSITORY / "build" / "airflow"
LOGS = REPOSITORY / "build" / "up"
LEDGER = LOGS / "processes.json"
DAGS = (
    "replicate_cdf_project",
    "backfill_cdf_datapoints",
    "export_cdf_to_delta",
    "replicate_cloudant",
    "follow_cloudant",
    "backfill_cloudant",
    "export_cloudant_to_delta",
)
HEALTHY_WITHIN = 180.0


def components(port: int) -> dict[str, list[str]]:
    """Name -> arguments of the ``airflow`` command. Logs are read from the disk, so nobody has to serve them."""
    return {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", str(port)],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
        "triggerer": ["triggerer", "--skip-serve-logs"],
    }


def settings(port: int) -> dict[str, str]:
    """Airflow's configuration for one person on one machine."""
    return {
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(HOME / "passwords.json"),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "CDF_POOLS": "on",
        "CLOUDANT_POOLS": "on",
    }


def check_port(port: int) -> None:
    """Raise :class:`UpError` if somebody else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UpError(
                f"port {port} is taken ({error.strerror}); choose another: AIRFLOW_PORT=8081 make up"
            ) from error


def ask(url: str, *, token: str | None = None, body: dict[str, str] | None = None) -> Any:
    """One JSON request to Airflow's API; None while it does not answer as it should."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


def healthy(url: str) -> bool:
    """True once Airflow says so of each of its parts."""
    parts = ask(f"{url}/api/v2/monitor/health") or {}
    return len(parts) >= 4 and all(part["status"] == "healthy" for part in parts.values())


def dags_loaded(url: str, password: str) -> bool:
    """True once the DAG processor has read our files."""
    login = ask(f"{url}/auth/token", body={"username": "admin", "password": password})
    listed = ask(f"{url}/api/v2/dags", token=login["access_token"]) if login else None
    return listed is not None and set(DAGS) <= {dag["dag_id"] for dag in listed["dags"]}


def wait_until(condition: Callable[[], bool], parts: Components, what: str) -> None:
    """Ask twice a second; raise :class:`UpError` if a part ends or it takes too long."""
    deadline = time.monotonic() + HEALTHY_WITHIN
    while not condition():
        parts.watch()
        if time.monotonic() > deadline:
            raise UpError(f"{what} took more than {HEALTHY_WITHIN:.0f} s; the logs are in {LOGS}")
        time.sleep(0.5)


def say(text: str) -> None:
    print(text, flush=True)


GUIDE = """
Airflow is ready:  {url}      user admin, password {password}

  1. Dags > replicate_cdf_project > Trigger: choose mode "full", then Trigger. The graph shows the resource types being
     copied in the order of their references, then verified. A task's XCom tab has its report (created, updated, unchanged …).
     Triggering switches the DAG on, so you also see its first scheduled run: what the source changed yesterday.
  2. Trigger it again: everything is unchanged, nothing is written.
  3. Dags > export_cdf_to_delta > Trigger: mode "full", space "compressor_model", data model "CompressorModel", then Trigger. The
     tables are then below s3://lake/cdf, the snapshot below s3://lake/cdf/publish/cdf.
  4. Admin > Connections > cdf_source, cloudant_source, delta_lake_default …: the forms of the connection types; the button
     "Test" says who you are.
  5. Dags > backfill_cdf_datapoints > Trigger > Backfill: 2023-08-01 to 2023-08-07 copies seven days of datapoints again.
  6. Dags > replicate_cloudant > Trigger: copies all databases of cloudant_source, which are the work orders as documents,
     by jobs of the server, and verifies every revision. Triggering again copies what is new.
     Dags > export_cloudant_to_delta > Trigger: database "compressor/work_orders", table name "work_orders".

The sandbox answers at {sandbox} (projects source and target, token {token}), S3 at {s3} (bucket lake, access key sandbox,
secret key {secret}), CouchDB at {couches} (admin, password {couch_password}).
Ctrl-C stops everything. Logs: {logs}
"""


def run(port: int) -> None:
    """Start everything, print what to click, and stay until a signal or the end of one of the parts."""
    end_left_overs(LEDGER)
    check_port(port)
    remember(LEDGER, [])
    try:
        with servers.running() as started:
            say("loading the data set into the sandbox …")
            started.fill()
            run_airflow(started, port)
    finally:
        LEDGER.unlink(missing_ok=True)


def run_airflow(started: Servers, port: int) -> None:
    """A new Airflow with connections to the servers, for as long as it runs."""
    shutil.rmtree(HOME, ignore_errors=True)
    airflow = Airflow(home=HOME, dags=REPOSITORY / "dags", logs=LOGS, extra=settings(port))
    say("preparing Airflow (database, connections, pools) …")
    prepare(
        lambda *arguments: airflow.run(*arguments, log=f"setup-{arguments[0]}"),
        connections=started.connections(),
        pools=REPOSITORY / POOLS,
    )
    password = secrets.token_hex(8)
    write_password(HOME / "passwords.json", password)
    commands = {name: [sys.executable, "-m", "airflow", *rest] for name, rest in components(port).items()}
    parts = Components(commands, environment=airflow.environment(), logs=LOGS)
    say("starting Airflow …")
    try:
        remember(LEDGER, parts.start())
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: healthy(url), parts, "the start of Airflow")
        wait_until(lambda: dags_loaded(url, password), parts, "reading the DAG files")
        say(
            GUIDE.format(
                url=url,
                password=password,
                sandbox=started.cdf.base_url,
                token=started.cdf.token,
                s3=started.s3.url,
                secret=started.s3.secret_key,
                couches=f"{started.couchdb_source.url} and {started.couchdb_target.url}",
                couch_password=started.couchdb_source.password,
                logs=LOGS,
            )
        )
        while True:
            parts.watch()
            time.sleep(1)
    finally:
        # A second Ctrl-C would leave processes behind; stopping takes 20 s at most.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        say("stopping …")
        parts.stop()


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    try:
        run(int(os.environ.get("AIRFLOW_PORT", "8080")))
    except KeyboardInterrupt:
        return 0
    except (UpError, AirflowError, wheel.WheelError) as error:
        say(f"make up: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
