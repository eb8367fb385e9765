# SPDX-License-Identifier: Apache-2.0
"""Sorted listings that are read page by page: sorted once, for as long as nothing changes."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort
from airflow_provider_replicator.sandbox.cdf.models.state import Models, models_of
from airflow_provider_replicator.sandbox.cdf.project import Project

_KEPT = 8


class Listings:
    """The last few sorted listings of a project."""

    def __init__(self, project: Project) -> None:
        self._models: Models = models_of(project)
        self._kept: OrderedDict[tuple[bytes, int, int], list[Instance]] = OrderedDict()

    def page(
        self, name: Any, sort: InstanceSort, scan: Callable[[], Iterable[Instance]], after: list[Any] | None, limit: int
    ) -> tuple[list[Instance], list[Any] | None]:
        """The first ``limit`` behind the position ``after``, and the position where the next page begins unless this is the last.
        ``name`` is the JSON value of all that ``scan`` and ``sort`` were made from."""
        found = self._sorted(name, sort, scan)
        begin = 0
        if after is not None:
            begin = bisect_right(found, sort.key(after), key=lambda one: sort.key(sort.values(one)))
        end = begin + limit
        return found[begin:end], sort.values(found[end - 1]) if len(found) > end else None

    def _sorted(self, name: Any, sort: InstanceSort, scan: Callable[[], Iterable[Instance]]) -> list[Instance]:
        models = self._models
        key = (orjson.dumps(name, option=orjson.OPT_SORT_KEYS), models.instances.last_seq, models.schema.revision)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = sort.sorted(scan())
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def listings_of(project: Project) -> Listings:
    return project.extension("models/listings", Listings)
