# SPDX-License-Identifier: Apache-2.0
"""A sandbox CouchDB for the length of a ``with`` block, in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_replicator.sandbox.process import RunningServer
from airflow_provider_replicator.sandbox.remote import RemoteControl


class CouchControl(RemoteControl):
    """``/_sandbox/*`` of a running sandbox CouchDB."""

    def add_token(self, token: str, name: str, **more: Any) -> None:
        """A bearer token; ``roles=["_admin"]``, ``seconds=…`` until it is refused."""
        self.call("POST", "/_sandbox/tokens", {"token": token, "name": name, **more})

    def revoke_tokens(self) -> None:
        self.call("DELETE", "/_sandbox/tokens")

    def add_api_key(self, key: str, name: str, **more: Any) -> None:
        """An API key for ``POST /identity/token``; ``roles=[…]``, ``seconds=…`` that its tokens live."""
        self.call("POST", "/_sandbox/api_keys", {"key": key, "name": name, **more})

    def unlock(self) -> None:
        """Forget all wrong passwords."""
        self.call("DELETE", "/_sandbox/lockouts")


class RunningCouch(RunningServer):
    """In the block, ``url`` and ``port`` say where it listens, and ``control`` is its remote control. ``args`` are further options of
    the command, e.g. ``("--time-scale", "0.05")``. Without a ``username`` everybody may everything."""

    def __init__(
        self,
        *,
        databases: Sequence[str] = (),
        username: str = "admin",
        password: str = "sandbox",  # noqa: S107 - a published default, for loopback only
        port: int = 0,
        args: Sequence[str] = (),
    ) -> None:
        self.username = username
        self.password = password
        self.url = ""
        self.port = port
        self.control = CouchControl("")
        named = [part for name in databases for part in ("--database", name)]
        admin = ["--admin", f"{username}:{password}"] if username else []
        super().__init__(["couchdb", "--port", str(port), *admin, *named, *args])

    def _listening(self, url: str) -> None:
        self.url = url
        self.port = urlsplit(url).port or 0
        self.control = CouchControl(url)
