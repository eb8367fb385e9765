# SPDX-License-Identifier: Apache-2.0
"""Which sorts an index supports."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.access import Decoder, accessor
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort


def check_backfill_sort(schema: Schema, sort: Any) -> None:
    """Raises 400 unless the sort means something and is backed by a cursorable index: properties of one container, in the order of
    the index. What all instances have (``["node", "externalId"]``) is indexed anyway."""
    InstanceSort(schema, sort)
    decoder = Decoder()
    found = [accessor(schema, decoder, one.get("property"), "backfillSort") for one in sort]
    stored = [one for one in found if one.container is not None]
    if not stored:
        return
    names = [one.name for one in stored]
    container = stored[0].container
    indexes = [] if container is None else schema.containers[container].definition["indexes"].values()
    backed = any(one.get("cursorable") and one["properties"][: len(names)] == names for one in indexes)
    if {one.container for one in stored} != {container} or not backed:
        raise ApiError(
            400, f"backfillSort: the properties {names} must be backed by a cursorable index of one container"
        )
