# SPDX-License-Identifier: Apache-2.0
"""What an Airflow needs before its first task: the database, the connections of the sandbox projects and lake, the pools.

``make up`` calls :func:`prepare`. In docker-compose.yaml this file is the one-shot service ``init``, configured by the
environment: ``SANDBOX_URL``, ``SANDBOX_TOKEN``, ``SANDBOX_S3_URL``, ``SANDBOX_S3_SECRET_KEY``, ``AIRFLOW_ADMIN_PASSWORD`` and
Airflow's own variables. Repeating it is harmless.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

POOLS = Path("dags") / "pools.json"
#: Airflow connection id -> project of the sandbox.
CONNECTIONS = {"cdf_source": "source", "cdf_target": "target"}


def connection(base_url: str, project: str, token: str) -> dict[str, Any]:
    """A connection of type ``cdf``, as Airflow reads it from JSON."""
    return {"conn_type": "cdf", "host": base_url, "extra": {"project": project, "token": token}}


def lake_connection(s3_url: str, secret_key: str) -> dict[str, Any]:
    """A connection of type ``delta_lake_s3`` to the sandbox S3."""
    extra = {"bucket": "lake", "prefix": "cdf", "endpoint_url": s3_url}
    return {"conn_type": "delta_lake_s3", "login": "sandbox", "password": secret_key, "extra": extra}


def prepare(
    airflow: Callable[..., object],
    *,
    base_url: str,
    token: str,
    pools: Path,
    lake: dict[str, Any] | None = None,
) -> None:
    """Create or renew everything. ``airflow(*arguments)`` runs one command of Airflow and raises if it fails.

    ``lake`` becomes the connection ``delta_lake_default``.

    The connections pass through a file that only this user can read and that is gone afterwards, not through a command line.
    """
    airflow("db", "migrate")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connections.json"
        connections = {name: connection(base_url, project, token) for name, project in CONNECTIONS.items()}
        path.write_text(json.dumps(connections | ({"delta_lake_default": lake} if lake else {})))
        airflow("connections", "import", "--overwrite", str(path))
    airflow("pools", "import", str(pools))


def write_password(path: Path, password: str) -> None:
    """Set the password of the user ``admin`` of Airflow's simple auth manager; only this user can read the file."""
    path.touch(mode=0o600)
    path.write_text(json.dumps({"admin": password}))


def main() -> None:
    """Prepare the Airflow that the environment describes."""

    def airflow(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "airflow", *arguments], check=True)

    write_password(
        Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]), os.environ["AIRFLOW_ADMIN_PASSWORD"]
    )
    dags = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    prepare(
        airflow,
        base_url=os.environ["SANDBOX_URL"],
        token=os.environ["SANDBOX_TOKEN"],
        pools=dags / POOLS.name,
        lake=lake_connection(os.environ["SANDBOX_S3_URL"], os.environ["SANDBOX_S3_SECRET_KEY"]),
    )


if __name__ == "__main__":
    main()
