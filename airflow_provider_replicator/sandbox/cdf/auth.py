# SPDX-License-Identifier: Apache-2.0
"""Who asks, and what they may: bearer tokens, OAuth client credentials, capabilities."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.payload import json_answer
from airflow_provider_replicator.sandbox.clock import Clock

#: first one or two path segments -> name of the capability
AREAS = {
    "assets": "assets",
    "events": "events",
    "timeseries": "timeSeries",
    "timeseries/subscriptions": "timeSeriesSubscriptions",
    "files": "files",
    "sequences": "sequences",
    "relationships": "relationships",
    "labels": "labels",
    "datasets": "datasets",
    "raw": "raw",
    "models": "dataModelInstances",
}
_READING = frozenset(
    {"list", "byids", "search", "aggregate", "latest", "downloadlink", "query", "sync", "inspect", "cursors", "members"}
)
_ACTIONS = ("read", "write")


@dataclass(frozen=True, slots=True)
class Identity:
    """``capabilities`` are ``(area, action)`` pairs such as ``("assets", "read")``; None: everything."""

    subject: str
    projects: tuple[str, ...]
    capabilities: frozenset[tuple[str, str]] | None = None

    def may(self, area: str, action: str) -> bool:
        return self.capabilities is None or (area, action) in self.capabilities


@dataclass(frozen=True, slots=True)
class OAuthClient:
    secret: str
    identity: Identity


def parse_capabilities(names: Iterable[str]) -> frozenset[tuple[str, str]]:
    """``["assets:read", "raw"]``: one action, or both. Raises ValueError for unknown names."""
    known = {area.lower(): area for area in AREAS.values()}
    pairs = set()
    for name in names:
        area, _, action = name.partition(":")
        if area.lower() not in known or action.lower() not in ("", *_ACTIONS):
            raise ValueError(
                f"unknown capability {name!r}; there are {', '.join(sorted(AREAS.values()))}, each :read or :write"
            )
        pairs |= {(known[area.lower()], one) for one in ((action.lower(),) if action else _ACTIONS)}
    return frozenset(pairs)


def needed(method: str, path: str) -> tuple[str, str] | None:
    """The capability that a path of the API asks for; None if none does."""
    segments = path.strip("/").split("/")
    area = AREAS.get("/".join(segments[:2]), AREAS.get(segments[0]))
    if area is None:
        return None
    return area, "read" if method == "GET" or segments[-1] in _READING else "write"


class Access:
    """``token`` is a static bearer token that may everything; None: requests without a token may everything too."""

    def __init__(self, *, token: str | None, clock: Clock, projects: Sequence[str]) -> None:
        self._clock = clock
        self._projects = tuple(projects)
        self._static = token
        self._everything = Identity("sandbox", self._projects)
        self._clients: dict[str, OAuthClient] = {}
        self._issued: dict[str, tuple[int, Identity]] = {}
        self._count = 0
        self.token_lifetime_seconds = 3600

    def add_client(
        self,
        client_id: str,
        secret: str,
        *,
        capabilities: Sequence[str] | None = None,
        projects: Sequence[str] | None = None,
    ) -> None:
        """An OAuth client; without ``capabilities`` it may everything, without ``projects`` everywhere."""
        rights = None if capabilities is None else parse_capabilities(capabilities)
        where = self._projects if projects is None else tuple(projects)
        self._clients[client_id] = OAuthClient(secret, Identity(client_id, where, rights))

    def revoke_tokens(self) -> int:
        """Make every issued token invalid, as if it had expired. The static token stays."""
        count = len(self._issued)
        self._issued.clear()
        return count

    def identify(self, authorization: str | None) -> Identity:
        """Raises 401 for no token, a wrong one and an expired one."""
        if authorization is None:
            if self._static is None:
                return self._everything
            raise ApiError(401, "Unauthorized")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            if self._static is None or token == self._static:
                return self._everything
            expires, identity = self._issued.get(token, (0, self._everything))
            if expires > self._clock.now_ms():
                return identity
        raise ApiError(401, "Unauthorized")

    def authorise(self, identity: Identity, project: str, method: str, path: str) -> None:
        """Raises 401 if the identity does not belong to the project, 403 if it lacks the capability."""
        if project not in identity.projects:
            raise ApiError(401, "Unauthorized")
        capability = needed(method, path)
        if capability is not None and not identity.may(*capability):
            area, action = capability
            raise ApiError(
                403,
                "Resource not found. This may also be due to insufficient access rights: "
                f"{area}Acl:{action.upper()} is needed.",
            )

    def inspect(self, identity: Identity) -> Response:
        """``GET /api/v1/token/inspect``."""
        scope = {"projects": list(identity.projects)}
        capabilities = []
        for area in sorted(AREAS.values()):
            actions = [action.upper() for action in _ACTIONS if identity.may(area, action)]
            if actions:
                acl = {"version": 1, "actions": actions, "scope": {"all": {}}}
                capabilities.append({f"{area}Acl": acl, "projectScope": scope})
        projects = [{"projectUrlName": name, "groups": [1]} for name in identity.projects]
        return json_answer({"subject": identity.subject, "projects": projects, "capabilities": capabilities})

    def issue(self, request: Request) -> Response:
        """``POST /oauth/token``: the client credentials grant, with the secret in the form or as basic authentication."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        client_id, secret = _basic(request.headers.get("authorization")) or (
            form.get("client_id", ""),
            form.get("client_secret", ""),
        )
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type")
        client = self._clients.get(client_id)
        if client is None or client.secret != secret:
            return _refused(401, "invalid_client")
        self._count += 1
        token = f"sandbox-{client_id}-{self._count}"
        self._issued[token] = (self._clock.now_ms() + self.token_lifetime_seconds * 1000, client.identity)
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.token_lifetime_seconds,
        }
        return json_answer(answer)


def _basic(header: str | None) -> tuple[str, str] | None:
    if header is None or not header.lower().startswith("basic "):
        return None
    try:
        decoded = base64.b64decode(header[6:], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, secret = decoded.partition(":")
    return client_id, secret


def _refused(status: int, reason: str) -> Response:
    return json_answer({"error": reason, "error_description": reason.replace("_", " ")}, status=status)
