# SPDX-License-Identifier: Apache-2.0
"""What a verification found: counts per resource, and the first differences in words."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.core.window import Window


@dataclass(slots=True)
class ResourceVerdict:
    """Counts of one resource type. Objects are counted for objects, points for datapoints, rows for raw.

    ``different`` counts what is missing in the target or differs there. ``extra`` is in the target with this source's
    provenance, but no longer in the source: a difference only where the caller says so. ``unlinked`` equals the source but
    for a reference that has no counterpart yet. ``left_out`` was not compared, on purpose, by reason.
    """

    source: int = 0
    target: int = 0
    different: int = 0
    extra: int = 0
    unlinked: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, count: int = 1) -> None:
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "different": self.different,
            "extra": self.extra,
            "unlinked": self.unlinked,
            "left_out": dict(sorted(self.left_out.items())),
        }


@dataclass(slots=True)
class VerifyReport:
    """The result of one verification. ``differences`` are the first ``max_differences``, ready to print."""

    source: str
    target: str
    level: str
    window: Window | None = None
    max_differences: int = 20
    resources: dict[str, ResourceVerdict] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=lambda: {"source": 0, "target": 0})
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)

    def of(self, resource: str) -> ResourceVerdict:
        """The verdict of one resource type, made when first asked for."""
        return self.resources.setdefault(resource, ResourceVerdict())

    def differs(self, resource: str, text: str, count: int = 1) -> None:
        """Count a difference; the first ones are kept in words."""
        self.of(resource).different += count
        self._say(f"{resource}: {text}")

    def is_extra(self, resource: str, text: str, *, allowed: bool) -> None:
        """Count what only the target has. ``allowed``: it is worth a number, not a failure."""
        self.of(resource).extra += 1
        if not allowed:
            self.differs(resource, text)

    def _say(self, text: str) -> None:
        if len(self.differences) < self.max_differences:
            self.differences.append(text)

    @property
    def different(self) -> int:
        return sum(verdict.different for verdict in self.resources.values())

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "source": self.source,
            "target": self.target,
            "level": self.level,
            "window": self.window.as_dict() if self.window else None,
            "resources": {name: verdict.as_dict() for name, verdict in self.resources.items()},
            "differences": list(self.differences),
            "requests": dict(self.requests),
            "seconds": round(self.seconds, 3),
        }
