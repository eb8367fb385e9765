# SPDX-License-Identifier: Apache-2.0
"""What an Airflow needs before its first task: the database, the connections of projects, lake and CouchDB servers, the pools.

``make up`` calls :func:`prepare`. In docker-compose.yaml this file is the one-shot service ``init``, configured by the
environment: ``SANDBOX_URL``, ``SANDBOX_TOKEN``, ``SANDBOX_S3_URL``, ``SANDBOX_S3_SECRET_KEY``, ``COUCHDB_…``,
``AIRFLOW_ADMIN_PASSWORD`` and Airflow's own variables. Repeating it is harmless.
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
    from collections.abc import Callable, Mapping

POOLS = Path("dags") / "pools.json"
#: Airflow connection id -> project of the sandbox.
CONNECTIONS = {"cdf_source": "source", "cdf_target": "target"}
#: Airflow connection id -> the variable that says where this server is.
CLOUDANT_CONNECTIONS = {"cloudant_source": "COUCHDB_SOURCE_URL", "cloudant_target": "COUCHDB_TARGET_URL"}


def connection(base_url: str, project: str, token: str) -> dict[str, Any]:
    """A connection of type ``cdf``, as Airflow reads it from JSON."""
    return {"conn_type": "cdf", "host": base_url, "extra": {"project": project, "token": token}}


def lake_connection(s3_url: str, secret_key: str) -> dict[str, Any]:
    """A connection of type ``delta_lake_s3`` to the sandbox S3."""
    extra = {"bucket": "lake", "prefix": "cdf", "endpoint_url": s3_url}
    return {"conn_type": "delta_lake_s3", "login": "sandbox", "password": secret_key, "extra": extra}


def couchdb_connection(
    url: str, username: str, password: str, *, replication_url: str | None = None, allow_http: bool = False
) -> dict[str, Any]:
    """A connection of type ``couchdb``. ``replication_url``: where the servers reach each other, if that is somewhere else.

    ``allow_http``: the server is neither behind TLS nor on this machine.
    """
    extra = {"replication_url": replication_url, "allow_http": allow_http or None}
    given = {name: value for name, value in extra.items() if value is not None}
    fields: dict[str, Any] = {"conn_type": "couchdb", "host": url, "login": username, "password": password}
    # Airflow cannot import an extra that is an empty object.
    return fields | ({"extra": given} if given else {})


def cdf_connections(base_url: str, token: str) -> dict[str, dict[str, Any]]:
    """Those of both projects of the sandbox."""
    return {name: connection(base_url, project, token) for name, project in CONNECTIONS.items()}


def prepare(airflow: Callable[..., object], *, connections: Mapping[str, Mapping[str, Any]], pools: Path) -> None:
    """Create or renew everything. ``airflow(*arguments)`` runs one command of Airflow and raises if it fails.

    The connections pass through a file that only this user can read and that is gone afterwards, not through a command line.
    """
    airflow("db", "migrate")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "connections.json"
        path.write_text(json.dumps(connections))
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
    prepare(airflow, connections=connections_of(os.environ), pools=dags / POOLS.name)


def connections_of(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """All connections of docker-compose.yaml. Its CouchDB servers speak http in the network that only the containers have."""
    return {
        **cdf_connections(environment["SANDBOX_URL"], environment["SANDBOX_TOKEN"]),
        "delta_lake_default": lake_connection(environment["SANDBOX_S3_URL"], environment["SANDBOX_S3_SECRET_KEY"]),
        **{
            name: couchdb_connection(
                environment[variable],
                environment["COUCHDB_USER"],
                environment["COUCHDB_PASSWORD"],
                replication_url=environment[f"{variable.removesuffix('_URL')}_REPLICATION_URL"],
                allow_http=True,
            )
            for name, variable in CLOUDANT_CONNECTIONS.items()
        },
    }


if __name__ == "__main__":
    main()
