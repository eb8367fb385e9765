# SPDX-License-Identifier: Apache-2.0
"""What a token may do in a project, as a sentence. Reads ``/api/v1/token/inspect``; changes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.refusals import message_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_replicator.cdf.http.connection import CdfConnection
    from airflow_provider_replicator.cdf.http.transport import HttpResponse

#: What this package copies -> the capability that CDF wants for it.
CAPABILITIES = {
    "data sets": "datasetsAcl",
    "labels": "labelsAcl",
    "assets": "assetsAcl",
    "events": "eventsAcl",
    "time series": "timeSeriesAcl",
    "raw": "rawAcl",
}


async def who_am_i(connection: CdfConnection) -> tuple[bool, str]:
    """(usable, sentence): who the credentials belong to, in which project, and what is missing. One request, no retries.

    Usable means: something can be read there. Raises what the transport and the credentials raise.
    """
    transport = connection.transport()
    try:
        response = await transport.inspect_token()
    finally:
        await transport.close()
    if response.status != 200:
        return False, f"{connection.base_url} refuses the credentials: {response.status} {message_of(response)}"
    return describe(response, connection)


def describe(response: HttpResponse, connection: CdfConnection) -> tuple[bool, str]:
    """The sentence for the answer of ``token/inspect``."""
    try:
        token = json.loads(response.body)
        projects = [project["projectUrlName"] for project in token["projects"]]
        subject = token["subject"]
    except (ValueError, KeyError, TypeError):
        return False, f"{connection.base_url} does not answer as CDF does: check the host"
    project = connection.project
    if project not in projects:
        allowed = ", ".join(map(repr, projects)) or "no project at all"
        return False, f"signed in as {subject!r}, but not for project {project!r}: the credentials are for {allowed}"
    actions = {name: _actions(token.get("capabilities", ()), acl, project) for name, acl in CAPABILITIES.items()}
    unreadable = [name for name, may in actions.items() if "READ" not in may]
    unwritable = [name for name, may in actions.items() if "WRITE" not in may]
    text = (
        f"signed in as {subject!r} to project {project!r} at {connection.base_url}; {_missing(unreadable, unwritable)}"
    )
    return len(unreadable) < len(CAPABILITIES), text


def _missing(unreadable: list[str], unwritable: list[str]) -> str:
    if not unreadable and not unwritable:
        return f"may read and write {', '.join(CAPABILITIES)}"
    parts = []
    if unreadable:
        parts.append("may not read " + _with_capability(unreadable, "READ"))
    if unwritable:
        everything = len(unwritable) == len(CAPABILITIES)
        parts.append("may write nothing" if everything else "may not write " + _with_capability(unwritable, "WRITE"))
    hint = " (enough for a source)" if not unreadable else ""
    return " and ".join(parts) + hint


def _with_capability(names: Iterable[str], action: str) -> str:
    return ", ".join(f"{name} ({CAPABILITIES[name]}:{action})" for name in names)


def _actions(capabilities: Iterable[Any], acl: str, project: str) -> set[str]:
    """What the token may do under one capability in the project, in whatever scope."""
    found: set[str] = set()
    for capability in capabilities:
        if acl in capability and _covers(capability.get("projectScope", {}), project):
            found.update(capability[acl].get("actions", ()))
    return found


def _covers(scope: dict[str, Any], project: str) -> bool:
    return "allProjects" in scope or project in scope.get("projects", ())
