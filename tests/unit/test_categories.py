# SPDX-License-Identifier: Apache-2.0
"""Which limits hold for which request, and what may be repeated."""

from __future__ import annotations

import pytest

from airflow_provider_replicator.cdf.http.categories import PUBLISHED_LIMITS, category, is_idempotent

REQUESTS = [
    ("POST", "/assets", "assets.crud", False),
    ("POST", "/assets/list", "assets.analytical", True),
    ("POST", "/assets/search", "assets.analytical", True),
    ("GET", "/assets?limit=1", "assets.analytical", True),
    ("GET", "/assets/17", "assets.crud", True),
    ("POST", "/assets/byids", "assets.crud", True),
    ("POST", "/assets/update", "assets.crud", True),
    ("POST", "/assets/delete", "assets.crud", False),
    ("POST", "/assets/aggregate", "assets.aggregate", True),
    ("POST", "/events", "events.crud", False),
    ("POST", "/events/list", "events.analytical", True),
    ("POST", "/files?overwrite=false", "files.crud", False),
    ("POST", "/timeseries", "timeseries.crud", False),
    ("POST", "/timeseries/list", "timeseries.analytical", True),
    ("POST", "/timeseries/data", "datapoints", True),
    ("POST", "/timeseries/data/list", "datapoints", True),
    ("POST", "/timeseries/data/latest", "datapoints", True),
    ("POST", "/timeseries/data/delete", "datapoints", True),
    ("POST", "/sequences/data", "datapoints", True),
    ("POST", "/sequences", "sequences.crud", False),
    ("POST", "/relationships", "relationships.crud", False),
    ("POST", "/labels", "labels.crud", False),
    ("POST", "/labels/list", "labels.analytical", True),
    ("POST", "/datasets", "datasets.crud", False),
    ("GET", "/raw/dbs?limit=1000", "raw.read", True),
    ("POST", "/raw/dbs", "raw.read", False),
    ("POST", "/raw/dbs/delete", "raw.read", False),
    ("POST", "/raw/dbs/a/tables", "raw.read", False),
    ("POST", "/raw/dbs/a/tables/delete", "raw.read", False),
    ("GET", "/raw/dbs/a%2Fb/tables/rows/rows?limit=1", "raw.read", True),
    ("GET", "/raw/dbs/a/tables/b/cursors", "raw.read", True),
    ("POST", "/raw/dbs/a/tables/b/rows?ensureParent=true", "raw.insert", True),
    ("POST", "/raw/dbs/a/tables/b/rows/delete", "raw.read", True),
    ("POST", "/models/instances", "instances.apply", True),
    ("POST", "/models/instances/delete", "instances.delete", True),
    ("POST", "/models/instances/query", "instances.query", True),
    ("POST", "/models/instances/sync", "instances.query", True),
    ("GET", "/models/spaces", "other", True),
    ("POST", "/models/views/byids", "other", True),
    ("GET", "/something/new", "other", True),
]


@pytest.mark.parametrize(
    ("method", "path", "expected", "idempotent"), REQUESTS, ids=[f"{r[0]} {r[1]}" for r in REQUESTS]
)
def test_category_of_a_request(method: str, path: str, expected: str, idempotent: bool) -> None:
    api, kind = category(method, path)
    assert (f"{api}.{kind}" if kind else api) == expected
    assert is_idempotent(method, path) is idempotent
    # at least one of the two it obeys has a published limit
    assert api in PUBLISHED_LIMITS or f"{api}.{kind}" in PUBLISHED_LIMITS


def test_a_kind_never_allows_more_than_its_api() -> None:
    for name, limit in PUBLISHED_LIMITS.items():
        whole = PUBLISHED_LIMITS.get(name.partition(".")[0])
        if whole is not None:
            assert (limit.per_second or 0) <= (whole.per_second or float("inf"))
            assert (limit.in_flight or 0) <= (whole.in_flight or float("inf"))
