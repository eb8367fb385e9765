# SPDX-License-Identifier: Apache-2.0
"""The ``filter`` object of lists: each property compiled to a predicate and, where an index can help, to candidate rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import (
    MAX_ID,
    Invalid,
    as_text,
    boolean,
    expected,
    integer,
    list_of,
    text,
)
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document, KeyIndex
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore

Predicate = Callable[[Document], bool]
#: how many rows can match at most, and which
Candidates = tuple[int, Callable[[], Collection[int]]]


@dataclass(frozen=True, slots=True)
class Condition:
    predicate: Predicate
    candidates: Candidates | None = None


#: from the value in the filter to the condition on documents of that store
Compiler = Callable[[Any, Project, DocumentStore], Condition]

_LONGEST_TEXT = 130_000
_some_text = text(_LONGEST_TEXT)
# Filters may name ids that no document can have.
_any_id = integer(0, MAX_ID)
_time = integer(-(1 << 63), (1 << 63) - 1)


def compile_filter(
    value: Any, table: Mapping[str, Compiler], project: Project, store: DocumentStore
) -> list[Condition]:
    """Conditions that must all hold. Unknown properties and wrong types are 400."""
    if value is None:
        return []
    if type(value) is not dict:
        raise ApiError(400, "filter: expected an object")
    conditions = []
    for name, wanted in value.items():
        compiler = table.get(name)
        if compiler is None:
            raise ApiError(400, f"filter.{name}: unknown filter property")
        if wanted is None:
            continue
        try:
            conditions.append(compiler(wanted, project, store))
        except Invalid as error:
            raise ApiError(400, f"filter.{name}: {error}") from error
    return conditions


def all_of(predicates: list[Predicate]) -> Predicate | None:
    if not predicates:
        return None
    if len(predicates) == 1:
        return predicates[0]
    return lambda doc: all(predicate(doc) for predicate in predicates)


def equals(name: str) -> Compiler:
    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        _some_text(value)
        return Condition(lambda doc: doc.get(name) == value)

    return compiled


def flag(name: str) -> Compiler:
    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        boolean(value)
        return Condition(lambda doc: doc.get(name, False) is value)

    return compiled


def present(name: str, *, wanted_when_absent: bool) -> Compiler:
    """``root: true`` is "has no parentId"."""

    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        boolean(value)
        absent = value is wanted_when_absent
        return Condition(lambda doc: (name not in doc) is absent)

    return compiled


def prefix(name: str) -> Compiler:
    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        _some_text(value)
        return Condition(lambda doc: doc.get(name, "").startswith(value) and name in doc)

    return compiled


def bounds(value: Any) -> tuple[float, float]:
    """``{"min", "max"}``, both inclusive, both optional."""
    if type(value) is not dict:
        raise expected("an object", value)
    unknown = set(value) - {"min", "max"}
    if unknown:
        raise Invalid(f"unknown property {sorted(unknown)[0]!r}")
    for bound in value.values():
        if bound is not None and type(bound) not in (int, float):
            raise expected("a number", bound)
    low, high = value.get("min"), value.get("max")
    return (float("-inf") if low is None else low), (float("inf") if high is None else high)


def time_range(name: str) -> Compiler:
    """Inclusive on both sides; ``{"isNull": true}`` matches documents without the property."""

    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        if type(value) is dict and "isNull" in value:
            absent = boolean(value["isNull"])
            return Condition(lambda doc: (name not in doc) is absent)
        low, high = bounds(value)
        return Condition(lambda doc: name in doc and low <= doc[name] <= high)

    return compiled


def last_updated_time(value: Any, project: Project, store: DocumentStore) -> Condition:
    low, high = bounds(value)
    minimum = None if low == float("-inf") else int(low)
    maximum = None if high == float("inf") else int(high)
    count = store.log.count(minimum, maximum)
    return Condition(
        lambda doc: low <= doc["lastUpdatedTime"] <= high,
        (count, lambda: store.log.rows(minimum, maximum)),
    )


def active_at(value: Any, project: Project, store: DocumentStore) -> Condition:
    """The interval [startTime, endTime] touches the range; a missing end is open, a missing start never active."""
    low, high = bounds(value)
    return Condition(lambda doc: "startTime" in doc and doc["startTime"] <= high and doc.get("endTime", high) >= low)


def metadata(value: Any, project: Project, store: DocumentStore) -> Condition:
    """All given pairs are equal; numbers are compared as the text that CDF stores. No pairs, no condition."""
    if type(value) is not dict:
        raise expected("an object", value)
    pairs = [(key, as_text(element)) for key, element in value.items()]
    if not pairs:
        return Condition(lambda doc: True)
    key, wanted = pairs[0]
    candidates = _indexed(_metadata_index(store, key), [wanted])
    if len(pairs) == 1:
        return Condition(lambda doc: "metadata" in doc and doc["metadata"].get(key) == wanted, candidates)
    return Condition(
        lambda doc: "metadata" in doc and all(doc["metadata"].get(key) == wanted for key, wanted in pairs),
        candidates,
    )


def _metadata_index(store: DocumentStore, key: str) -> KeyIndex:
    def keys_of(doc: Document) -> tuple[str, ...]:
        value = doc.get("metadata", {}).get(key)
        return () if value is None else (value,)

    return store.index(("metadata", key), keys_of)


def any_of(name: str, *, ids: bool, maximum: int = 1000) -> Compiler:
    """The property's value is one of a list."""
    checked = list_of(_any_id if ids else _some_text, maximum)

    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        return among(name, checked(value), store)

    return compiled


def among(name: str, values: Iterable[Any], store: DocumentStore) -> Condition:
    """The property's value (or, if it is a list, one of its elements) is among these."""
    wanted = frozenset(values)
    if name == "id":
        known = store.by_id
        rows = (len(wanted), lambda: [known[key].row for key in wanted if key in known])
        return Condition(lambda doc: doc["id"] in wanted, rows)
    if name.endswith("Ids"):
        index = store.index(name, lambda doc: doc.get(name, ()))
        return Condition(lambda doc: not wanted.isdisjoint(doc.get(name, ())), _indexed(index, wanted))
    index = store.index(name, lambda doc: (doc[name],) if name in doc else ())
    return Condition(lambda doc: doc.get(name) in wanted, _indexed(index, wanted))


def _indexed(index: KeyIndex, keys: Collection[Any]) -> Candidates:
    found = [index.rows(key) for key in keys]
    return sum(map(len, found)), lambda: {row for rows in found for row in rows}


def identifiers(value: Any, maximum: int) -> list[dict[str, Any]]:
    """A list of ``{"id"}`` or ``{"externalId"}``."""
    if type(value) is not list:
        raise expected("a list", value)
    if len(value) > maximum:
        raise Invalid(f"must have at most {maximum} elements, has {len(value)}")
    for item in value:
        identifier(item)
    return value


def identifier(item: Any) -> None:
    if type(item) is not dict:
        raise expected("an object", item)
    if "id" in item:
        _any_id(item["id"])
    elif "externalId" in item:
        text(255)(item["externalId"])
    else:
        raise Invalid("id or externalId is missing")


def referring(name: str, other: str, *, maximum: int = 1000) -> Compiler:
    """``dataSetIds: [{"id"} | {"externalId"}]``: the reference ``name`` points to one of them. Unknown ones match nothing."""

    def compiled(value: Any, project: Project, store: DocumentStore) -> Condition:
        found = (project.store(other).resolve(item) for item in identifiers(value, maximum))
        return among(name, [doc["id"] for doc in found if doc is not None], store)

    return compiled


def label_filter(value: Any, project: Project, store: DocumentStore) -> Condition:
    if type(value) is not dict or len(value) != 1 or next(iter(value)) not in ("containsAny", "containsAll"):
        raise Invalid("expected containsAny or containsAll")
    ((mode, labels),) = value.items()
    if type(labels) is not list:
        raise expected("a list", labels)
    wanted = frozenset(text(255)(label.get("externalId") if type(label) is dict else label) for label in labels)

    def held(doc: Document) -> set[str]:
        return {label["externalId"] for label in doc.get("labels", ())}

    if mode == "containsAny":
        return Condition(lambda doc: not wanted.isdisjoint(held(doc)))
    return Condition(lambda doc: wanted <= held(doc))
