# SPDX-License-Identifier: Apache-2.0
"""What an instance becomes by a write: old and new properties merged by container, defaults filled in, nothing required missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.containers import Container, Property
from airflow_provider_replicator.sandbox.cdf.models.drafts import Draft
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, Instance, InstanceStore, encoded
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import described_key

_EMPTY = b"{}"


class Merger:
    """For one revision of the schema. Remembers the highest values of auto-incremented properties that it gave out."""

    def __init__(self, schema: Schema, instances: InstanceStore) -> None:
        self._instances = instances
        self._containers = schema.containers
        #: container -> what must be seen to in data that is new there: (name, definition)
        self._fresh = {
            key: [(name, one) for name, one in container.properties.items() if _is_special(one)]
            for key, container in schema.containers.items()
        }
        self._immutable = {
            key: [name for name, one in container.properties.items() if one.immutable]
            for key, container in schema.containers.items()
        }
        self._counters: dict[tuple[ContainerKey, str], int] = {}

    def data_of(self, draft: Draft, old: Instance | None, *, replace: bool) -> dict[ContainerKey, bytes]:
        """The data by container after the write; what does not change is the very same object. Raises 400."""
        data = {} if old is None else dict(old.data)
        for key, values in draft.writes.items():
            before = data.get(key)
            if before is None or replace:
                after = self._fill(key, values)
            else:
                after = orjson.loads(before)
                after.update(values)
            if None in after.values():
                after = {name: value for name, value in after.items() if value is not None}
            if before is None:
                data[key] = encoded(after) if after else _EMPTY
            else:
                data[key] = self._changed(key, before, after)
        return data

    def _fill(self, key: ContainerKey, values: dict[str, Any]) -> dict[str, Any]:
        """Data that is new in a container. Raises 400 for what is required and missing."""
        if not self._fresh[key]:
            return values
        filled = dict(values)
        for name, definition in self._fresh[key]:
            if name in filled:
                continue
            if definition.auto_increment:
                filled[name] = self._next(key, name)
            elif definition.default is not None:
                filled[name] = definition.default
            else:
                raise ApiError(
                    400, f"Property '{name}' of container '{described_key(key)}' is required, but has no value"
                )
        return filled

    def _changed(self, key: ContainerKey, before: bytes, after: dict[str, Any]) -> bytes:
        new = encoded(after)
        if new == before or _sorted(orjson.loads(before)) == _sorted(after):
            return before
        if self._immutable[key]:
            self._refuse_immutable(key, orjson.loads(before), after)
        return new

    def _refuse_immutable(self, key: ContainerKey, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        for name in self._immutable[key]:
            if name in before and before[name] != after.get(name):
                raise ApiError(400, f"Property '{name}' of container '{described_key(key)}' is immutable")

    def _next(self, key: ContainerKey, name: str) -> int:
        highest = self._counters.get((key, name))
        if highest is None:
            live = (one for one in self._instances.rows if one is not None and key in one.data)
            highest = max((one.properties(key).get(name, 0) for one in live), default=0)
        self._counters[(key, name)] = highest + 1
        return int(highest) + 1


def _is_special(definition: Property) -> bool:
    return definition.required or definition.auto_increment or definition.default is not None


def _sorted(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def check_requirements(containers: Mapping[ContainerKey, Container], data: Mapping[ContainerKey, bytes]) -> None:
    """Data in a container asks for data in those that it requires. Raises 400."""
    for key in data:
        container = containers.get(key)
        for required in container.requires if container else ():
            if required not in data:
                raise ApiError(
                    400,
                    f"Data in container '{described_key(key)}' requires data in container '{described_key(required)}'",
                )
