# SPDX-License-Identifier: Apache-2.0
"""Routes of the classic resources."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.collection import Collection
from airflow_provider_replicator.sandbox.cdf.resources import KINDS
from airflow_provider_replicator.sandbox.cdf.routing import Route


def routes() -> list[Route]:
    return [route for kind in KINDS for route in Collection(kind).routes()]
