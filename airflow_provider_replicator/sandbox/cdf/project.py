# SPDX-License-Identifier: Apache-2.0
"""One CDF project: its stores, its clock, its ids and timestamps."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_replicator.sandbox.cdf.cursors import CursorSigner
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.cdf.store import DocumentStore
from airflow_provider_replicator.sandbox.clock import Clock

State = TypeVar("State")

_ID_MASK = (1 << 53) - 1
# Odd, so that multiplying modulo 2**53 never gives the same id twice, and large, so that ids look as unordered as CDF's.
_ID_STEP = 5_871_781_006_564_003


class Project:
    """Deterministic: the same requests at the same clock give the same ids, timestamps and cursors."""

    def __init__(self, name: str, *, clock: Clock, settings: Settings) -> None:
        self.name = name
        self.clock = clock
        self.settings = settings
        self.cursors = CursorSigner(name)
        self.assets = self._store()
        self.events = self._store()
        self.timeseries = self._store()
        self.files = self._store()
        self.sequences = self._store()
        self.relationships = self._store()
        self.labels = self._store()
        self.datasets = self._store()
        self._extensions: dict[str, Any] = {}
        self._last_timestamp = 0
        self._id_count = zlib.crc32(name.encode())

    def _store(self) -> DocumentStore:
        return DocumentStore(self.clock, self.settings)

    def store(self, name: str) -> DocumentStore:
        """``"assets"``, ``"timeseries"`` …: the attribute of that name."""
        store = getattr(self, name)
        if not isinstance(store, DocumentStore):
            raise TypeError(f"{name!r} is not a store")
        return store

    def extension(self, name: str, factory: Callable[[Project], State]) -> State:
        """State that a feature module keeps for this project (e.g. the points of its time series), made at first use."""
        if name not in self._extensions:
            self._extensions[name] = factory(self)
        state: State = self._extensions[name]
        return state

    def next_timestamp(self) -> int:
        """Now, in ms, but always later than the timestamp before: two writes never share a ``lastUpdatedTime``."""
        self._last_timestamp = max(self.clock.now_ms(), self._last_timestamp + 1)
        return self._last_timestamp

    def next_id(self) -> int:
        """An id of 1 … 2**53 - 1 that this project has not used."""
        return self.next_ids(1)[0]

    def next_ids(self, count: int) -> list[int]:
        first = self._id_count + 1
        self._id_count += count
        # 0 would need a multiple of 2**53 calls.
        return [(n * _ID_STEP) & _ID_MASK for n in range(first, first + count)]
