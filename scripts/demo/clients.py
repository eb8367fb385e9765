# SPDX-License-Identifier: Apache-2.0
"""The official client for a project of the sandbox."""

from __future__ import annotations

from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import Token


def client(base_url: str, project: str, token: str) -> CogniteClient:
    """A client that asks nobody but the sandbox (the official one looks for newer versions of itself otherwise)."""
    global_config.disable_pypi_version_check = True
    return CogniteClient(ClientConfig("demo", project, Token(token), base_url=base_url))
