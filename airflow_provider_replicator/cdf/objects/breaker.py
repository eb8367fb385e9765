# SPDX-License-Identifier: Apache-2.0
"""The circuit breaker: when batch after batch is refused for one reason, the fault is not in single objects."""

from __future__ import annotations

import re

from airflow_provider_replicator.exceptions import CircuitOpenError

#: Batches in a row, refused whole and for one reason, that open the circuit …
BATCHES = 3
#: … if they held at least so many objects together: three batches of one object each say nothing.
_OBJECTS = 20
#: What differs from object to object in a message: numbers and quoted names.
_PARTICULARS = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")


def kind_of(reason: str) -> str:
    """A reason without its particulars, to tell whether two refusals have the same cause."""
    return _PARTICULARS.sub("…", reason)


class Breaker:
    """Told how each batch fared. Opens by raising :class:`CircuitOpenError`."""

    def __init__(self) -> None:
        self._kind: str | None = None
        self._batches = 0
        self._objects = 0

    def passed(self) -> None:
        """A batch was written, at least in part."""
        self._kind = None
        self._batches = self._objects = 0

    def refused(self, reason: str, objects: int) -> None:
        """All of a batch was refused (or as much of it as was tried) for the same kind of reason."""
        kind = kind_of(reason)
        if kind != self._kind:
            self.passed()
            self._kind = kind
        self._batches += 1
        self._objects += objects
        if self._batches >= BATCHES and self._objects >= _OBJECTS:
            raise CircuitOpenError(
                f"{self._batches} batches in a row ({self._objects} objects) were refused for the same reason, "
                f"the rest was not tried: {reason}"
            )
