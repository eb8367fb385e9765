# SPDX-License-Identifier: Apache-2.0
"""How tasks connect to Delta Lake tables on S3."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.connection import read_lake_connection
from airflow_provider_replicator.lake.location import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Connection
    from deltalake import DeltaTable
    from mypy_boto3_s3 import S3Client

    from airflow_provider_replicator.lake.location import Lake


class DeltaLakeHook(BaseHook):
    """Delta Lake tables below a prefix of an S3 bucket, or in a folder, by a connection of type ``delta_lake_s3``.

    The connection's login and password are an access key and its secret; extra holds ``bucket`` and the rest
    (:data:`airflow_provider_replicator.lake.connection.EXTRAS`). Nothing is opened before it is asked for.

    :param delta_conn_id: the connection
    """

    conn_name_attr = "delta_conn_id"
    default_conn_name = "delta_lake_default"
    conn_type = "delta_lake_s3"
    hook_name = "Delta Lake on S3"

    def __init__(self, delta_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.delta_conn_id = delta_conn_id
        self._lake: Lake | None = None

    def get_lake(self) -> Lake:
        """The place and the access to it, read and checked, made once.

        Raises ConfigurationError, which names what is wrong and never a secret.
        """
        if self._lake is None:
            self._lake = self._read(self.get_connection(self.delta_conn_id))
        return self._lake

    def get_table(self, path: str, version: int | None = None) -> DeltaTable:
        """A table below the lake's root, such as ``resources/events``, at its newest version or a given one.

        Raises ConfigurationError if there is none. deltalake's threads do not survive a fork: open tables inside of tasks only.
        """
        from airflow_provider_replicator.lake.table import Table

        table = Table(self.get_lake(), path)
        handle = table.open(version)
        if handle is None:
            raise ConfigurationError(f"there is no table at {table.uri}")
        return handle

    def get_conn(self) -> S3Client:
        """boto3's client of S3, with this connection's credentials, which it renews. A folder has none."""
        from airflow_provider_replicator.lake.objects import S3Objects

        lake = self.get_lake()
        if lake.access is None:
            raise ConfigurationError(f"connection {self.delta_conn_id!r} leads to a folder, which has no client of S3")
        client: S3Client = S3Objects(lake).client
        return client

    def test_connection(self) -> tuple[bool, str]:
        """(usable, sentence). Writes, writes again on condition, reads and deletes a small object. Never raises."""
        from airflow_provider_replicator.lake.probe import probe

        try:
            return True, probe(self.get_lake())
        except Exception as error:  # noqa: BLE001 - whatever it is, the person at the form is to read it
            return False, str(error) or type(error).__name__

    def _read(self, connection: Connection) -> Lake:
        extra: dict[str, Any] = connection.extra_dejson
        for secret in (connection.password, extra.get("session_token")):
            if secret:
                mask_secret(secret)
        return read_lake_connection(
            self.delta_conn_id, login=connection.login, password=connection.password, extra=extra, aws=_aws_keys
        )


def _aws_keys(aws_conn_id: str) -> Callable[[], Keys]:
    """Keys of a connection of the amazon provider, which is not needed otherwise."""
    try:
        module = import_module("airflow.providers.amazon.aws.hooks.base_aws")
    except ImportError:
        raise ConfigurationError(
            f"aws_conn_id is {aws_conn_id!r}, and the amazon provider is not installed: "
            "pip install apache-airflow-providers-amazon, or give credentials here"
        ) from None
    hook = module.AwsBaseHook(aws_conn_id=aws_conn_id, client_type="s3")

    @cache
    def credentials() -> Any:
        """Once: a session that takes over a role asks for it anew, while its credentials renew themselves."""
        found = hook.get_session().get_credentials()
        if found is None:
            raise ConfigurationError(f"the connection {aws_conn_id!r} (aws_conn_id) leads to no credentials")
        return found

    def keys() -> Keys:
        found = credentials().get_frozen_credentials()
        for secret in (found.secret_key, found.token):
            if secret:
                mask_secret(secret)
        return Keys(found.access_key, found.secret_key, found.token)

    return keys
