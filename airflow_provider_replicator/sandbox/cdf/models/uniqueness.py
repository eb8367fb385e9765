# SPDX-License-Identifier: Apache-2.0
"""Constraints of uniqueness: which instance holds which values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey, InstanceStore, Key
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.models.views import described_key

_Constraint = tuple[ContainerKey, tuple[str, ...], bool]


class Uniqueness:
    """For one revision of the schema. An index is built when its container is first written to, and kept up after each write."""

    def __init__(self, schema: Schema, instances: InstanceStore) -> None:
        self._instances = instances
        self._constraints: dict[ContainerKey, list[_Constraint]] = {
            key: [(key, names, by_space) for names, by_space in container.unique]
            for key, container in schema.containers.items()
            if container.unique
        }
        self._indexes: dict[_Constraint, dict[bytes, Key]] = {}

    def check(self, written: Iterable[tuple[Key, Mapping[ContainerKey, bytes]]], gone: set[Key]) -> None:
        """Values that the request writes belong to nobody else, neither among what is stored nor within the request. Raises 409."""
        if not self._constraints:
            return
        states = dict(written)
        claimed: dict[tuple[_Constraint, bytes], Key] = {}
        for key, data in states.items():
            for container in data.keys() & self._constraints.keys():
                for constraint in self._constraints[container]:
                    value = _value(constraint, key, data[container])
                    if value is None:
                        continue
                    owner = self._owner(constraint, value, states, gone)
                    if (owner or key) != key or claimed.setdefault((constraint, value), key) != key:
                        raise ApiError(
                            409, f"A constraint of uniqueness of container '{described_key(container)}' is violated"
                        )

    def _owner(self, constraint: _Constraint, value: bytes, states: Mapping[Key, Any], gone: set[Key]) -> Key | None:
        index = self._indexes.get(constraint)
        if index is None:
            index = self._indexes[constraint] = self._built(constraint)
        owner = index.get(value)
        if owner is None or owner in gone or owner in states:
            return None
        # Indexes are not told of what is deleted or changed.
        found = self._instances.by_key.get(owner)
        current = found and found.data.get(constraint[0])
        return owner if current and _value(constraint, owner, current) == value else None

    def _built(self, constraint: _Constraint) -> dict[bytes, Key]:
        live = (one for one in self._instances.rows if one is not None and constraint[0] in one.data)
        values = ((_value(constraint, one.key, one.data[constraint[0]]), one.key) for one in live)
        return {value: key for value, key in values if value is not None}

    def remember(self, written: Iterable[tuple[Key, Mapping[ContainerKey, bytes]]]) -> None:
        for key, data in written:
            for constraint, index in self._indexes.items():
                if constraint[0] in data:
                    value = _value(constraint, key, data[constraint[0]])
                    if value is not None:
                        index[value] = key


def _value(constraint: _Constraint, key: Key, encoded: bytes) -> bytes | None:
    """None: one of the properties is not set, and nothing is compared."""
    _, names, by_space = constraint
    properties = orjson.loads(encoded)
    values = [properties.get(name) for name in names]
    if None in values:
        return None
    return orjson.dumps([key[1] if by_space else None, *values], option=orjson.OPT_SORT_KEYS)
