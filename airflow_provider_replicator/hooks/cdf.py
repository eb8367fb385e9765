# SPDX-License-Identifier: Apache-2.0
"""How tasks connect to Cognite Data Fusion."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_replicator.cdf.http.connection import CdfConnection, read_connection

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from cognite.client import CogniteClient

    from airflow_provider_replicator.cdf.http.client import CdfClient

#: Seconds for the connection test, all in all; Airflow gives up after a minute.
_TEST_SECONDS = 30.0
#: Requests that the official client may have in flight per kind; its own defaults (1 to 5) are those of a notebook.
_SDK_CONCURRENCY = {
    "general": {"read": 10, "write": 10, "delete": 4},
    "raw": {"read": 10, "write": 10, "delete": 4},
    "datapoints": {"read": 10, "write": 10, "delete": 5},
    "data_modeling": {"read": 8, "write": 4, "delete": 2},
}
_SDK_POOL_SIZE = 32


class CdfHook(BaseHook):
    """Cognite Data Fusion, by a connection of type ``cdf``.

    The connection's host is a base URL or a cluster name, its login and password a client id and secret; extra holds
    ``project`` and the rest (:data:`airflow_provider_replicator.cdf.http.connection.EXTRAS`). Nothing is opened before it is
    asked for.

    :param cdf_conn_id: the connection
    """

    conn_name_attr = "cdf_conn_id"
    default_conn_name = "cdf_default"
    conn_type = "cdf"
    hook_name = "Cognite Data Fusion"

    def __init__(self, cdf_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.cdf_conn_id = cdf_conn_id
        self._sdk_client: CogniteClient | None = None

    def get_conn(self) -> CogniteClient:
        """The official client, made once. It is configured for a worker: no version check, more requests in flight."""
        if self._sdk_client is None:
            from cognite.client import CogniteClient

            connection = self.get_cdf_connection()
            _configure_sdk()
            self._sdk_client = CogniteClient(connection.sdk_config())
        return self._sdk_client

    def get_async_client(self) -> CdfClient:
        """A new client of this package, for the event loop that uses it first; whoever gets it closes it (``async with``)."""
        return self.get_cdf_connection().client()

    async def aget_client(self) -> CdfClient:
        """:meth:`get_async_client` for code that runs on an event loop, where looking up a connection must not block."""
        return self._read(await self.aget_connection(self.cdf_conn_id)).client()

    def get_cdf_connection(self) -> CdfConnection:
        """The connection, read and checked. Raises ConfigurationError, which names what is wrong and never a secret."""
        return self._read(self.get_connection(self.cdf_conn_id))

    def test_connection(self) -> tuple[bool, str]:
        """(usable, sentence): who am I, in which project, what capability is missing. Never raises, never asks twice."""
        try:
            connection = self.get_cdf_connection()
            # A thread of its own: the caller may already be on an event loop.
            with ThreadPoolExecutor(max_workers=1) as thread:
                return thread.submit(_test, connection).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, the person at the form is to read it
            return False, str(error) or type(error).__name__

    def _read(self, connection: Connection) -> CdfConnection:
        extra: dict[str, Any] = connection.extra_dejson
        for secret in (connection.password, extra.get("token")):
            if secret:
                mask_secret(secret)
        return read_connection(
            self.cdf_conn_id,
            host=connection.host,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=extra,
        )


def _test(connection: CdfConnection) -> tuple[bool, str]:
    from airflow_provider_replicator.cdf.http.who_am_i import who_am_i

    async def limited() -> tuple[bool, str]:
        async with asyncio.timeout(_TEST_SECONDS):
            return await who_am_i(connection)

    try:
        return asyncio.run(limited())
    except TimeoutError:
        return False, f"{connection.base_url} does not answer within {_TEST_SECONDS:.0f} s"


def _configure_sdk() -> None:
    """The SDK's settings are one for the whole process and freeze at its first request: then they stay as they are."""
    from cognite.client import global_config

    global_config.disable_pypi_version_check = True
    if global_config.concurrency_settings.is_frozen:
        return
    global_config.max_connection_pool_size = max(_SDK_POOL_SIZE, global_config.max_connection_pool_size)
    for area, bounds in _SDK_CONCURRENCY.items():
        settings = getattr(global_config.concurrency_settings, area)
        for operation, bound in bounds.items():
            setattr(settings, operation, max(bound, getattr(settings, operation)))
