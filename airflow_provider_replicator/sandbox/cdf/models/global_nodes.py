# SPDX-License-Identifier: Apache-2.0
"""Nodes of global spaces: seen by who names their space in the filter, and by nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_replicator.sandbox.cdf.models.instance_store import InstanceStore
from airflow_provider_replicator.sandbox.cdf.models.state import Models
from airflow_provider_replicator.sandbox.cdf.models.system import UNITS


def store_of(models: Models, condition: Any) -> InstanceStore:
    """Where a list or a query with this filter looks."""
    return models.global_instances if UNITS in _spaces(condition) else models.instances


def _spaces(condition: Any) -> Iterator[Any]:
    """The values that a filter wants the property ``["node", "space"]`` to have."""
    if not isinstance(condition, dict):
        return
    for name, content in condition.items():
        if name in ("and", "or") and isinstance(content, list):
            for one in content:
                yield from _spaces(one)
        elif name in ("equals", "in") and isinstance(content, dict) and content.get("property") == ["node", "space"]:
            values = content.get("values")
            yield from values if isinstance(values, list) else [content.get("value")]
