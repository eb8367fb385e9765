# SPDX-License-Identifier: Apache-2.0
"""Where the tables live: a prefix of an S3 bucket, or a folder. One value that the engines pass around; opens nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.lake.objects import Objects


def path_part(name: str) -> str:
    """Any name (of a space, a view, a raw table …) as one part of a path below the root: no slash, and never ``.`` or ``..``.

    Letters, digits, ``-``, ``_`` and ``.`` stay, any other byte becomes ``!`` and two hex digits. Not ``%``: libraries do not agree on
    how often that is decoded (deltalake 1.6 cannot create such a table).
    """
    part = quote(name, safe="-_.").replace("~", "%7E").replace("%", "!")
    return part.replace(".", "!2E") if not part.strip(".") else part


#: The library reads what is not said here from the environment, which may be meant for somebody else's keys or server.
_AGAINST_THE_ENVIRONMENT = {
    "AWS_CONDITIONAL_PUT": "etag",
    "AWS_SKIP_SIGNATURE": "false",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials as they are right now."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """How S3 is reached. ``keys`` is asked each time a table is opened, so that credentials that expire are always fresh.

    ``region`` must be the bucket's. ``endpoint_url``: another S3 than Amazon's; http only where the connection allowed it.
    ``connect_timeout`` and ``read_timeout``: seconds until it connects, and between two bytes. ``attempts``: how often boto3 sends
    one request in all (5xx, resets, silence), with back-off; deltalake and Polars have rules of their own (10 times in 3 minutes).
    """

    region: str
    keys: Callable[[], Keys] = field(repr=False)
    endpoint_url: str | None = None
    connect_timeout: float = 10
    read_timeout: float = 60
    attempts: int = 8


@dataclass(frozen=True, slots=True)
class Lake:
    """``root`` is ``s3://bucket/prefix`` or ``file:///folder``, without a slash at its end. ``access`` belongs to S3 only."""

    root: str
    access: S3Access | None = None

    def __post_init__(self) -> None:
        scheme = urlsplit(self.root).scheme
        if scheme not in ("s3", "file") or self.root.endswith("/"):
            raise ConfigurationError(f"{self.root!r} is no place for tables: s3://bucket/prefix or file:///folder")
        if (scheme == "s3") != (self.access is not None):
            raise ConfigurationError(f"{self.root!r}: S3 needs access settings, a folder has none")

    @property
    def bucket(self) -> str:
        """The bucket; empty for a folder."""
        return urlsplit(self.root).netloc

    @property
    def prefix(self) -> str:
        """The path below the bucket, or of the folder, without a slash at its end."""
        path = urlsplit(self.root).path
        return path.strip("/") if self.access else unquote(path)

    def uri(self, path: str) -> str:
        """The URI of something below the root, as deltalake and Polars take it. Names in ``path`` are :func:`path_part`."""
        return f"{self.root}/{path}"

    def options(self) -> dict[str, str]:
        """``storage_options`` of deltalake and Polars, with the credentials of this moment. Secret: never log it."""
        if self.access is None:
            return {}
        keys = self.access.keys()
        options = {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_REGION": self.access.region,
            "connect_timeout": f"{self.access.connect_timeout}s",
            # It knows no limit of silence, only one of the whole request: enough for a large part of a file on a slow line.
            "timeout": f"{3 * self.access.read_timeout}s",
            **_AGAINST_THE_ENVIRONMENT,
        }
        if keys.session_token or "AWS_SESSION_TOKEN" in os.environ:
            options["AWS_SESSION_TOKEN"] = keys.session_token or ""
        if self.access.endpoint_url:
            options["AWS_ENDPOINT_URL"] = options["AWS_ENDPOINT_URL_S3"] = self.access.endpoint_url
            options["AWS_ALLOW_HTTP"] = str(self.access.endpoint_url.startswith("http://")).lower()
        return options

    def objects(self) -> Objects:
        """Plain objects below the root, beside and inside of the tables."""
        from airflow_provider_replicator.lake.objects import LocalObjects, S3Objects

        return LocalObjects(Path(self.prefix)) if self.access is None else S3Objects(self)
