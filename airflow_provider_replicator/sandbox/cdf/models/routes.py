# SPDX-License-Identifier: Apache-2.0
"""Routes of data modeling."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.models import (
    aggregate,
    container_parts,
    query,
    reading,
    search,
    statistics,
    sync,
    writing,
)
from airflow_provider_replicator.sandbox.cdf.models.kinds import CONTAINERS, DATA_MODELS, SPACES, VIEWS
from airflow_provider_replicator.sandbox.cdf.routing import Route


def routes() -> list[Route]:
    definitions = [route for kind in (SPACES, CONTAINERS, VIEWS, DATA_MODELS) for route in kind.routes()]
    features = (container_parts, reading, writing, query, sync, aggregate, search, statistics)
    return [*definitions, *(route for feature in features for route in feature.routes())]
