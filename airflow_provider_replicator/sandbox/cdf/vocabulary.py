# SPDX-License-Identifier: Apache-2.0
"""Properties and filters that several resource types share."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.fields import (
    Field,
    internal_id,
    list_of,
    mapping,
    metadata,
    one_of,
    record,
    text,
    timestamp,
)
from airflow_provider_replicator.sandbox.cdf.filters import (
    Compiler,
    last_updated_time,
    prefix,
    referring,
    time_range,
)
from airflow_provider_replicator.sandbox.cdf.filters import metadata as metadata_filter
from airflow_provider_replicator.sandbox.cdf.geometry import geometry


def metadata_of(total: int, value: int | None = None) -> Field:
    """At most ``total`` bytes, each value at most ``value`` (default: no limit of its own)."""
    return Field(
        metadata(pairs=256, key_bytes=128, value_bytes=total if value is None else value, total_bytes=total), "object"
    )


def _anything(value: object) -> object:
    return value


EXTERNAL_ID = Field(text(255))
REFERENCE = Field(internal_id)
TIME = Field(timestamp)
LABELS = Field(list_of(record({"externalId": text(255)}, required=("externalId",)), 10), "labels")
SECURITY_CATEGORIES = Field(list_of(internal_id, 100), "list")
GEO_LOCATION = Field(
    record(
        {"type": one_of("Feature"), "geometry": geometry, "properties": mapping(_anything, 1000)},
        required=("type", "geometry"),
    )
)

COMMON_FILTERS: dict[str, Compiler] = {
    "externalIdPrefix": prefix("externalId"),
    "createdTime": time_range("createdTime"),
    "lastUpdatedTime": last_updated_time,
    "metadata": metadata_filter,
}

DATA_SET_FILTER: Compiler = referring("dataSetId", "datasets")
