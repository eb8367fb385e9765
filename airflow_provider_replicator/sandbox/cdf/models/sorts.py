# SPDX-License-Identifier: Apache-2.0
"""``sort`` of instances: keys that order them, and survive in a cursor."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.access import Accessor, Decoder, accessor
from airflow_provider_replicator.sandbox.cdf.models.instance_store import Instance
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import View
from airflow_provider_replicator.sandbox.cdf.sorting import Position

MAX_SORTS = 5


class InstanceSort:
    """``[{"property": path, "direction", "nullsFirst"}]``; instances that are equal in all of it follow in order of their rows."""

    def __init__(self, schema: Schema, value: Any, view: View | None = None) -> None:
        decoder = Decoder()
        self._keys: list[tuple[Accessor, bool, bool]] = []
        for number, one in enumerate(checks.a_list(value, "sort", MAX_SORTS)):
            item = checks.an_object(one, f"sort[{number}]")
            found = accessor(schema, decoder, item.get("property"), f"sort[{number}].property", view)
            if found.is_list:
                raise ApiError(400, f"sort[{number}].property: cannot sort by a list")
            down = checks.one_of(item, "direction", ("ascending", "descending"), "ascending") == "descending"
            self._keys.append((found, down, checks.flag(item, "nullsFirst")))

    def values(self, one: Instance) -> list[Any]:
        """What goes into a cursor: the instance's values, and its row to break ties."""
        return [*(_plain(found.get(one)) for found, _, _ in self._keys), one.row]

    def key(self, values: list[Any]) -> tuple[Any, ...]:
        wrapped = zip(values[:-1], self._keys, strict=True)
        return (*(Position(v, descending=down, nulls_first=first) for v, (_, down, first) in wrapped), values[-1])

    def sorted(self, instances: Iterable[Instance]) -> list[Instance]:
        return sorted(instances, key=lambda one: self.key(self.values(one)))

    def page(
        self, instances: Iterable[Instance], after: list[Any] | None, limit: int
    ) -> tuple[list[Instance], list[Any] | None]:
        """The first ``limit`` in this order behind the position ``after``, and the position where the next page begins."""
        keyed = ((self.key(self.values(one)), one) for one in instances)
        if after is not None:
            start = self.key(after)
            keyed = (pair for pair in keyed if pair[0] > start)
        found = [one for _, one in heapq.nsmallest(limit + 1, keyed, key=lambda pair: pair[0])]
        return found[:limit], self.values(found[limit - 1]) if len(found) > limit else None


def _plain(value: Any) -> Any:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if isinstance(value, dict | list) else value
