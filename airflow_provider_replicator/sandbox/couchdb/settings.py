# SPDX-License-Identifier: Apache-2.0
"""What a test can switch at run time, through ``/_sandbox/settings``, besides CouchDB's own configuration."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_replicator.sandbox.settings import ServerSettings


@dataclass(slots=True)
class CouchSettings(ServerSettings):
    """CouchDB itself never compresses its answers."""

    gzip: bool = False
