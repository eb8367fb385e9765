# SPDX-License-Identifier: Apache-2.0
"""Which sorts an index supports, and what ``debug`` says about a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks
from airflow_provider_replicator.sandbox.cdf.models.access import Decoder, accessor
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.sorts import InstanceSort


def is_backed(schema: Schema, sort: Any) -> bool:
    """The properties are those of a cursorable index of one container, in its order. What all instances have is indexed anyway."""
    decoder = Decoder()
    found = [accessor(schema, decoder, one.get("property"), "sort") for one in sort]
    stored = [one for one in found if one.container is not None]
    if not stored:
        return True
    container, names = stored[0].container, [one.name for one in stored]
    if container is None or any(one.container != container for one in stored):
        return False
    indexes = schema.containers[container].definition["indexes"].values()
    return any(one.get("cursorable") and one["properties"][: len(names)] == names for one in indexes)


def check_backfill_sort(schema: Schema, sort: Any) -> None:
    """Raises 400 unless the sort means something and an index supports it."""
    InstanceSort(schema, sort)
    if not is_backed(schema, sort):
        raise ApiError(400, "backfillSort: the properties must be backed by a cursorable index of one container")


class Debug:
    """``debug`` of a request; without it nothing is said, and results are shown."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        value = payload.get("debug")
        self.wanted = value is not None
        item = checks.an_object({} if value is None else value, "debug")
        self.emits_results = checks.flag(item, "emitResults", default=True)
        self._profile = checks.flag(item, "profile")
        self._translated = checks.flag(item, "includeTranslatedQuery")
        self._plan = checks.flag(item, "includePlan")
        self._timeout = checks.integer(item, "timeout", 0, 1 << 31)

    def answer(self, schema: Schema, sorts: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """``sorts`` are those of the result expressions, by name. Nothing is translated here, so the forms are right but empty."""
        notices = [_unsupported(name, sort) for name, sort in sorts.items() if sort and not is_backed(schema, sort)]
        if self._timeout is not None and self.emits_results:
            notices.append(_NO_TIMEOUT)
        found: dict[str, Any] = {"notices": notices}
        if self._translated:
            found["translatedQuery"] = {"query": {}, "parameters": dict(parameters)}
        if self._plan:
            found["plan"] = {"fullPlan": {}, "profiled": self._profile, "byIdentifier": {name: {} for name in sorts}}
        return found


_NO_TIMEOUT = {
    "code": "noTimeoutWithResults",
    "category": "invalidDebugOptions",
    "level": "warning",
    "hint": "A timeout can only be set together with emitResults=false.",
}


def _unsupported(name: str, sort: Any) -> dict[str, Any]:
    return {
        "code": "sortNotBackedByIndex",
        "category": "sorting",
        "level": "warning",
        "hint": "The sort is not backed by a cursorable index.",
        "grade": "C",
        "sort": sort,
        "resultExpression": name,
    }
