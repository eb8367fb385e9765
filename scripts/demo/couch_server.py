# SPDX-License-Identifier: Apache-2.0
"""A CouchDB server as anybody sees it: plain requests, nothing of the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from types import TracebackType

#: Made once on a new server that is no member of a cluster; CouchDB does not do it by itself.
SYSTEM_DATABASES = ("_users", "_replicator")
#: Seconds, of a single request.
TIMEOUT = 60.0


class CouchServer:
    """A server at ``url`` that is asked as an administrator. A context manager, which closes its connections at the end."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = (username, password)
        self._session.headers["Accept"] = "application/json"
        self._session.trust_env = False  # no .netrc, no proxy on the way to this machine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def answer(self, method: str, *segments: str, json: Any = None, **params: Any) -> requests.Response:
        """Whatever the server says. ``segments`` are names, which may hold any character; ``_design/x`` and ``_local/x`` are one."""
        path = "/".join(quote(segment, safe="/" if segment.startswith("_") else "") for segment in segments)
        return self._session.request(method, f"{self.url}/{path}", json=json, params=params, timeout=TIMEOUT)

    def ask(self, method: str, *segments: str, json: Any = None, **params: Any) -> Any:
        """The JSON of an answer. Raises :class:`requests.HTTPError` for a refusal."""
        answer = self.answer(method, *segments, json=json, **params)
        answer.raise_for_status()
        return answer.json()

    def has(self, *segments: str) -> bool:
        return self.answer("GET", *segments).status_code != 404

    def create(self, database: str) -> bool:
        """False if it was there before."""
        answer = self.answer("PUT", database)
        if answer.status_code == 412:
            return False
        answer.raise_for_status()
        return True

    def configure(self, section: str, key: str, value: str) -> str:
        """Change a setting of the running server; returns what was there before."""
        before: str = self.ask("PUT", "_node/_local/_config", section, key, json=value)
        return before

    def set_up(self) -> list[str]:
        """Make the system databases that are missing; returns their names."""
        return [name for name in SYSTEM_DATABASES if self.create(name)]

    def wait_until_up(self, seconds: float) -> None:
        """Raise :class:`TimeoutError` if the server does not answer by then."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.answer("GET", "_up").ok:
                    return
            except requests.ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.url} did not answer within {seconds:.0f} s")
            time.sleep(0.2)
