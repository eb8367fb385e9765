# SPDX-License-Identifier: Apache-2.0
"""The clock of the server that runs the jobs: what it writes into histories is compared with that, not with ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.jobs.reading import iso_seconds

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient


async def server_time(mediator: CouchClient) -> str | None:
    """ISO 8601 in whole seconds; None if answers are not dated. Raises CouchNotFoundError if there is no replicator database."""
    answer = await mediator.answer("GET", mediator.connection.replicator_db)
    return iso_seconds(answer.headers.get("date"))
