# SPDX-License-Identifier: Apache-2.0
"""A connection of the scripts, read as the hook reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.connection import read_couch_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.connection import CouchConnection


def read(name: str, fields: Mapping[str, Any]) -> CouchConnection:
    """``fields`` are those of Airflow's JSON form of a connection."""
    return read_couch_connection(
        name,
        conn_type=fields["conn_type"],
        host=fields["host"],
        port=fields.get("port"),
        schema=fields.get("schema"),
        login=fields["login"],
        password=fields["password"],
        extra=fields.get("extra", {}),
    )
