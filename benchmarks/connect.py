# SPDX-License-Identifier: Apache-2.0
"""A client of ours for one project of the sandbox, as a connection makes it, but without CDF's published rates.

The sandbox has its rates switched off here and the other contenders keep to none; what stays are the published numbers of
requests in flight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient


def connect(job: dict[str, Any], project: str) -> CdfClient:
    from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
    from airflow_provider_replicator.cdf.http.categories import PUBLISHED_LIMITS
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.http.credentials import StaticToken
    from airflow_provider_replicator.cdf.http.settings import ClientSettings
    from airflow_provider_replicator.core.limits import Limit

    limits = {name: Limit(in_flight=limit.in_flight) for name, limit in PUBLISHED_LIMITS.items()}
    settings = ClientSettings(limits=limits)
    transport = AiohttpTransport(job["base_url"], project, StaticToken(job["token"]), settings=settings)
    return CdfClient(transport, project=project, settings=settings)
