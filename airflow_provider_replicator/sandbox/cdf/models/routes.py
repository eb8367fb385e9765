# SPDX-License-Identifier: Apache-2.0
"""Routes of data modeling."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.models import reading, statistics, writing
from airflow_provider_replicator.sandbox.cdf.models.kinds import CONTAINERS, DATA_MODELS, SPACES, VIEWS
from airflow_provider_replicator.sandbox.cdf.routing import Route


def routes() -> list[Route]:
    definitions = [route for kind in (SPACES, CONTAINERS, VIEWS, DATA_MODELS) for route in kind.routes()]
    return [*definitions, *reading.routes(), *writing.routes(), *statistics.routes()]
