# SPDX-License-Identifier: Apache-2.0
"""``sort`` of lists: keys that order documents, and survive in a cursor."""

from __future__ import annotations

from collections.abc import Callable
from functools import total_ordering
from typing import Any

from airflow_provider_replicator.sandbox.cdf.filters import Condition
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.kinds import Kind
from airflow_provider_replicator.sandbox.cdf.listing import Partition, matching
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.properties import Getter, parse_property
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore, Entry

MAX_SORTS = 2


@total_ordering
class Position:
    """One value of a sort key. Missing values go where ``nulls_first`` says; numbers before text."""

    __slots__ = ("descending", "rank", "value")

    def __init__(self, value: Any, *, descending: bool, nulls_first: bool) -> None:
        self.rank = (0 if nulls_first else 3) if value is None else (2 if isinstance(value, str) else 1)
        self.value = value
        self.descending = descending

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Position) and (self.rank, self.value) == (other.rank, other.value)

    def __lt__(self, other: Position) -> bool:
        if self.rank != other.rank or self.value is None:
            return self.rank < other.rank
        return bool(other.value < self.value if self.descending else self.value < other.value)


class Sort:
    """``[{"property": […], "order", "nulls"}]``, or the events' older ``["property:order"]``."""

    def __init__(self, value: Any, kind: Kind, project: Project) -> None:
        if type(value) is not list or not 1 <= len(value) <= MAX_SORTS:
            raise ApiError(400, f"sort: expected a list of 1 to {MAX_SORTS} elements")
        self._keys = [_sort_key(element, kind, project) for element in value]

    def values(self, entry: Entry) -> list[Any]:
        """What goes into a cursor: the document's values, and its row to break ties."""
        return [get(entry.doc) for get, _, _ in self._keys] + [entry.row]

    def key(self, values: list[Any]) -> tuple[Any, ...]:
        wrapped = zip(values[:-1], self._keys, strict=True)
        return (*(Position(v, descending=down, nulls_first=first) for v, (_, down, first) in wrapped), values[-1])


def _sort_key(element: Any, kind: Kind, project: Project) -> tuple[Getter, bool, bool]:
    if isinstance(element, str):
        name, _, order = element.partition(":")
        element = {"property": [name], "order": order or "asc"}
    if type(element) is not dict:
        raise ApiError(400, "sort: expected objects")
    order, nulls = element.get("order") or "asc", element.get("nulls") or "auto"
    if order not in ("asc", "desc") or nulls not in ("first", "last", "auto"):
        raise ApiError(400, "sort: order must be asc or desc, nulls first, last or auto")
    if element.get("property") == ["_score_"]:
        return (lambda doc: 0), False, False
    _, getter = parse_property(kind, project, element.get("property"), "sort.property")
    # "auto": missing values count as bigger than all others.
    nulls_first = nulls == "first" or (nulls == "auto" and order == "desc")
    return _comparable(getter), order == "desc", nulls_first


def _comparable(getter: Getter) -> Callable[[dict[str, Any]], Any]:
    def read(doc: dict[str, Any]) -> Any:
        value = getter(doc)
        return str(value) if isinstance(value, list | dict) else value

    return read


def sorted_page(
    store: DocumentStore,
    conditions: list[Condition],
    sort: Sort,
    after: list[Any] | None,
    limit: int,
    partition: Partition,
) -> tuple[list[Entry], list[Any] | None]:
    """A page in sort order, after the position ``after``, and the position where the next one begins."""
    keyed = [(sort.key(sort.values(entry)), entry) for entry in matching(store, conditions, partition)]
    if after is not None:
        start = sort.key(after)
        keyed = [pair for pair in keyed if pair[0] > start]
    keyed.sort(key=lambda pair: pair[0])
    entries = [entry for _, entry in keyed[:limit]]
    return entries, sort.values(entries[-1]) if len(keyed) > limit else None
