# SPDX-License-Identifier: Apache-2.0
"""How tasks connect to Cloudant and Apache CouchDB."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import amask_secret, mask_secret

from airflow_provider_replicator.couchdb import urls
from airflow_provider_replicator.couchdb.connection import CouchConnection, read_couch_connection
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.hooks._cloudant_verbs import ReplicatorVerbs

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from airflow.sdk import Connection
    from requests import Session

    from airflow_provider_replicator.couchdb.client import CouchClient

#: Seconds for the connection test, all in all; Airflow gives up after a minute.
_TEST_SECONDS = 30.0
#: The second one is the stock provider's: its connections are read as they are.
_TYPES = ("couchdb", "cloudant")
_SECRET_EXTRAS = ("iam_apikey", "bearer_token")


class CloudantHook(ReplicatorVerbs, BaseHook):
    """A Cloudant or CouchDB server, by a connection of type ``couchdb``, or of the stock provider's type ``cloudant``.

    The connection's host is a URL or a host name (for ``cloudant`` also the name of an account), its login and password are those of
    a user; extra holds the rest (:data:`airflow_provider_replicator.couchdb.fields.EXTRAS`). Nothing is opened before it is asked for.

    The verbs of python-cloudant's ``Replicator`` are there by their names: ``create_replication``, ``list_replications``,
    ``replication_state``, ``follow_replication``, ``stop_replication``.

    :param cloudant_conn_id: the connection
    """

    conn_name_attr = "cloudant_conn_id"
    default_conn_name = "cloudant_default"
    conn_type = "couchdb"
    hook_name = "Cloudant / CouchDB"

    def __init__(self, cloudant_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.cloudant_conn_id = cloudant_conn_id
        self._connection: CouchConnection | None = None

    def get_conn(self) -> Session:
        """A new session of requests that signs in by itself, for what this package has no words for; whoever gets it closes it.

        ::

            with hook.get_conn() as session:
                answer = session.get(hook.url("my-database", "_security"))

        It does so with every kind of credentials, renews cookies and tokens, and sends them to this server only. It has the time-outs,
        certificates and proxies of the connection. Raises CouchAccessError when signing in is refused.
        """
        from airflow_provider_replicator.couchdb.requests_session import self_signing_session

        return self_signing_session(self.get_couch_connection())

    def url(self, *segments: str) -> str:
        """The address of a database or document: each segment is written as it is, and percent-encoded here."""
        return self.get_couch_connection().base_url + (urls.path(*segments) if segments else "/")

    def get_client(self, stop: threading.Event | None = None) -> CouchClient:
        """A new client of this package that blocks (``with``); see :meth:`CouchConnection.blocking`."""
        return self.get_couch_connection().blocking(stop)

    def get_async_client(self) -> CouchClient:
        """A new client of this package, for the event loop that uses it first; whoever gets it closes it (``async with``)."""
        return self.get_couch_connection().client()

    async def aget_client(self) -> CouchClient:
        """:meth:`get_async_client` for code that runs on an event loop, where looking up a connection must not block."""
        return (await self.aget_couch_connection()).client()

    def get_couch_connection(self) -> CouchConnection:
        """The connection, read and checked, once. Raises ConfigurationError, which names what is wrong and never a secret."""
        if self._connection is None:
            connection = self.get_connection(self.cloudant_conn_id)
            extra: dict[str, Any] = connection.extra_dejson
            for secret in _given_secrets(connection, extra):
                mask_secret(secret)
            read = self._read(connection, extra)
            for secret in read.secrets():
                mask_secret(secret)
            self._connection = read
        return self._connection

    async def aget_couch_connection(self) -> CouchConnection:
        """:meth:`get_couch_connection` on an event loop."""
        if self._connection is None:
            connection = await self.aget_connection(self.cloudant_conn_id)
            extra: dict[str, Any] = await connection.aextra_dejson()
            for secret in _given_secrets(connection, extra):
                await amask_secret(secret)
            read = self._read(connection, extra)
            for secret in read.secrets():
                await amask_secret(secret)
            self._connection = read
        return self._connection

    def test_connection(self) -> tuple[bool, str]:
        """(usable, sentence): which server, who we are there, whether replications can run there. Never raises, never asks twice."""
        try:
            connection = self.get_couch_connection()
            # A thread of its own: the caller may already be on an event loop.
            with ThreadPoolExecutor(max_workers=1) as thread:
                return thread.submit(_test, connection).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, the person at the form is to read it
            return False, str(error) or type(error).__name__

    def _read(self, connection: Connection, extra: Mapping[str, Any]) -> CouchConnection:
        conn_type = connection.conn_type or self.conn_type
        if conn_type not in _TYPES:
            raise ConfigurationError(
                f"connection {self.cloudant_conn_id!r} is of type {conn_type!r}: write {' or '.join(_TYPES)}"
            )
        return read_couch_connection(
            self.cloudant_conn_id,
            conn_type=conn_type,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )


def _given_secrets(connection: Connection, extra: Mapping[str, Any]) -> list[Any]:
    """Before anything is read, so that not even a mistake in the connection shows one."""
    return [secret for secret in (connection.password, *(extra.get(name) for name in _SECRET_EXTRAS)) if secret]


def _test(connection: CouchConnection) -> tuple[bool, str]:
    from airflow_provider_replicator.couchdb.probe import probe

    async def limited() -> tuple[bool, str]:
        async with asyncio.timeout(_TEST_SECONDS):
            return await probe(connection)

    try:
        return asyncio.run(limited())
    except TimeoutError:
        return False, f"{connection.base_url} does not answer within {_TEST_SECONDS:.0f} s"
