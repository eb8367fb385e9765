# SPDX-License-Identifier: Apache-2.0
"""A sandbox S3 for the length of a ``with`` block, in processes of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.sandbox.process import RunningServer

if TYPE_CHECKING:
    from collections.abc import Sequence


class RunningS3(RunningServer):
    """In the block, ``url`` is the endpoint and ``bucket`` the first of the buckets, both made for this block only."""

    region = "us-east-1"
    patience = 20.0

    def __init__(
        self,
        *,
        buckets: Sequence[str] = ("lake",),
        access_key: str = "sandbox",
        secret_key: str = "sandbox-secret",  # noqa: S107 - a published default, for loopback only
        args: Sequence[str] = (),
    ) -> None:
        self.bucket = buckets[0]
        self.access_key = access_key
        self.secret_key = secret_key
        self.url = ""
        named = [part for bucket in buckets for part in ("--bucket", bucket)]
        super().__init__(["s3", *named, "--access-key", access_key, "--secret-key", secret_key, *args])

    def _listening(self, url: str) -> None:
        self.url = url
