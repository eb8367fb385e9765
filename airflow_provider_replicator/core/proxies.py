# SPDX-License-Identifier: Apache-2.0
"""Which proxy the environment names for an address."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_provider_replicator.core.fields import is_loopback


def environment_proxy(url: str) -> str | None:
    """The proxy of ``HTTPS_PROXY``, ``NO_PROXY`` … for this address; None for this very machine.

    HTTP libraries could look it up themselves (``trust_env``), but then they also read ``.netrc``, for each request.
    """
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if is_loopback(host) or proxy_bypass(host) else getproxies().get(parts.scheme)
