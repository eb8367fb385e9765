# SPDX-License-Identifier: Apache-2.0
"""What a connection is good for, as a sentence. Reads; changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb.auth.credentials import NoAuth
from airflow_provider_replicator.exceptions import CouchAccessError, CouchRequestError, CouchUnavailableError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection


async def probe(connection: CouchConnection) -> tuple[bool, str]:
    """(usable, sentence): which server, who we are there, and whether jobs can run there. Four requests, each sent once.

    Usable means that the server takes us for somebody: an instance at one end of a replication need not be the one that runs it.
    Raises what the client raises.
    """
    async with replace(connection, retry=RetryPolicy(attempts=1, connect_attempts=1)).client() as client:
        server = await client.features()
        name, roles = _user(await client.get("_session"))
        place = f"{server} at {connection.base_url}"
        if name is None and not isinstance(connection.auth, NoAuth):
            return False, f"{place} takes these credentials for nobody's: check auth_type, login and password"
        parts = [f"signed in as {name!r}" if name is not None else "not signed in (auth_type none)"]
        parts[0] += f" with the roles {', '.join(roles)}" if roles else " without roles"
        parts[0] += f" to {place}"
        parts.append(await _jobs(client, scheduler=server.scheduler))
        parts.append(f"features: {', '.join(sorted(server.features)) or 'none'}")
        return True, "; ".join(parts)


def _user(session: Any) -> tuple[str | None, list[str]]:
    user = session.get("userCtx") if isinstance(session, dict) else None
    user = user if isinstance(user, dict) else {}
    return user.get("name"), [str(role) for role in user.get("roles") or ()]


async def _jobs(client: CouchClient, *, scheduler: bool) -> str:
    """Whether the server may run replications for us."""
    database = client.connection.replicator_db
    asked: dict[str, tuple[str, ...]] = {database: (database,)}
    if scheduler:
        asked["_scheduler"] = ("_scheduler", "docs")
    refused = [f"{name} ({why})" for name, segments in asked.items() if (why := await _refusal(client, segments))]
    if refused:
        return f"not readable: {', '.join(refused)}, so replications have to run on another server"
    kind = "with a scheduler" if scheduler else "without a scheduler: states are kept in the documents (v1)"
    return f"replications may run here, {kind}: {' and '.join(asked)} readable"


async def _refusal(client: CouchClient, segments: tuple[str, ...]) -> str | None:
    try:
        await client.get(*segments, params={"limit": 1} if len(segments) > 1 else None)
    except (CouchAccessError, CouchRequestError, CouchUnavailableError) as error:
        return f"{error.status} {error.error}"
    return None
