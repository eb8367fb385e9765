# SPDX-License-Identifier: Apache-2.0
"""The engine with small pages, batches and thresholds: ten objects then take the paths that a million take."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from airflow_provider_replicator.cdf import listing, references, stream_progress
from airflow_provider_replicator.cdf.datapoints import counts as datapoints_counts
from airflow_provider_replicator.cdf.datapoints import plan as datapoints_plan
from airflow_provider_replicator.cdf.datapoints import replicate as datapoints
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.objects import positions, writer
from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.cdf.raw import deletes as raw_deletes
from airflow_provider_replicator.cdf.raw import write as raw_write
from airflow_provider_replicator.cdf.resources import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def small(objects: int, points: int) -> Iterator[None]:
    """``objects`` of a page or batch, ``points`` of a request; 0 leaves the real sizes."""
    with ExitStack() as stack:

        def put(where: Any, **values: Any) -> None:
            for name, value in values.items():
                stack.enter_context(patch.object(where, name, value))

        # A checkpoint at every opportunity: with real time between them, runs as short as these would never save one.
        put(positions, SAVE_EVERY_MS=0)
        put(stream_progress, _EVERY_MS=0)
        if objects:
            put(listing, PAGE=objects, _PAGES_BEFORE=2, _PAGES_PER_PARTITION=1)
            put(CdfClient, rate=lambda *_: None)
            put(references, LOOKUP_LIMIT=objects + 1)
            put(writer, _UPDATE_LIMIT=objects)
            for resource in RESOURCES.values():
                stack.enter_context(_create_limit(resource, objects))
            put(raw_copy, PAGE=objects * 2, _RECENT_PAGES=1000)
            put(raw_write, MAX_ROWS=objects * 2)
            put(raw_deletes, _KEYS_PER_DELETE=objects)
        if points:
            put(datapoints_plan, MAX_POINTS=points, SPLIT_FROM_PAGES=2, MAX_ITEMS=3)
            put(datapoints, MAX_ITEMS=3)
            put(datapoints_counts, _FIRST_LOOK=20, _FIRST_LOOK_AT_WINDOW=20)
        yield


@contextmanager
def _create_limit(resource: Any, size: int) -> Iterator[None]:
    """The table of resource types is frozen; a test may thaw it."""
    before = resource.create_limit
    object.__setattr__(resource, "create_limit", min(before, size))
    try:
        yield
    finally:
        object.__setattr__(resource, "create_limit", before)
