# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: where one task run is, kept outside the process so that a killed run goes on where it was.

The store is an interface: in Airflow it is ``task_state_store``, in tests a dictionary.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol


class CheckpointStore(Protocol):
    """A place that outlives the process. Values are JSON; ``None`` is never stored."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def delete(self, key: str) -> None: ...


class MemoryStore:
    """A store for tests and for runs outside Airflow: it lives as long as the object."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> Any:
        value = self._values.get(key)
        return None if value is None else json.loads(value)

    def set(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)


def fingerprint(**parts: Any) -> str:
    """A short hash of what a run is about (source, target, selection, window …): a checkpoint of another run is ignored."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Checkpoint:
    """The saved state of one run, under a fingerprint. Saved values replace each other; ``clear`` on success.

    A value saved under another fingerprint is not returned: the run starts over.
    """

    KEY = "checkpoint"

    def __init__(self, store: CheckpointStore, identity: str, *, name: str = "") -> None:
        self._store = store
        self._identity = identity
        self._key = f"{self.KEY}:{name}" if name else self.KEY

    def load(self) -> dict[str, Any] | None:
        """What the last try of this same run saved, or None."""
        saved = self._store.get(self._key)
        if not isinstance(saved, dict) or saved.get("identity") != self._identity:
            return None
        state = saved.get("state")
        return state if isinstance(state, dict) else None

    def save(self, state: dict[str, Any]) -> None:
        """Keep ``state`` (JSON, small). Call it only after what it describes is written to the target."""
        self._store.set(self._key, {"identity": self._identity, "state": state})

    def clear(self) -> None:
        """Forget: the run is complete, so a cleared task starts over."""
        self._store.delete(self._key)
