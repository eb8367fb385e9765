# SPDX-License-Identifier: Apache-2.0
"""Faults by rule: what should go wrong, where and how often."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Kind = Literal["status", "status_after_commit", "reset", "reset_after_commit", "slow_body", "truncated_body", "delay"]


@dataclass(slots=True)
class Fault:
    """``path`` is a glob on the percent-encoded path. The fault begins at the ``nth`` matching request (1-based) and happens
    ``times`` times (None: for ever); with ``probability`` each of those requests is hit by chance, reproducibly by ``seed``.
    ``seconds`` is the length of a delay or a slow body. ``retry_after`` (seconds) becomes a header. ``project`` is what the server
    counts the request under: None is any."""

    kind: Kind
    path: str = "*"
    method: str | None = None
    project: str | None = None
    nth: int = 1
    times: int | None = 1
    probability: float | None = None
    seed: int = 0
    status: int = 503
    retry_after: float | None = None
    seconds: float = 1.0
    message: str = "Injected by a fault rule"
    matched: int = 0
    happened: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
        if not isinstance(self.path, str) or not 100 <= self.status <= 599:
            raise ValueError("path must be a glob and status an HTTP status")
        self._random = random.Random(self.seed)

    def matches(self, method: str, project: str, path: str) -> bool:
        return self.method in (None, method) and self.project in (None, project) and fnmatchcase(path, self.path)

    def hits(self, method: str, project: str, path: str) -> bool:
        """Whether this request is to fail. Counts: call once per request."""
        if not self.matches(method, project, path):
            return False
        self.matched += 1
        if self.matched < self.nth or (self.times is not None and self.happened >= self.times):
            return False
        if self.probability is not None and self._random.random() >= self.probability:
            return False
        self.happened += 1
        return True

    def headers(self) -> list[tuple[str, str]]:
        return [] if self.retry_after is None else [("retry-after", f"{self.retry_after:g}")]

    def describe(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "_random"}


class Faults:
    """The rules in force, each a ``kind`` of :class:`Fault`. The first that hits a request decides."""

    def __init__(self, kind: type[Fault] = Fault) -> None:
        self.kind = kind
        self.rules: list[Fault] = []

    def add(self, rule: dict[str, Any]) -> Fault:
        """Raises ValueError for a rule that means nothing."""
        known = {one.name for one in fields(self.kind)} - {"matched", "happened", "_random"}
        unknown = sorted(set(rule) - known)
        if unknown:
            raise ValueError(f"unknown property {unknown[0]!r} of a fault rule; there are: {', '.join(sorted(known))}")
        if "kind" not in rule:
            raise ValueError("a fault rule needs a kind")
        fault = self.kind(**rule)
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        self.rules.clear()

    def pick(self, method: str, project: str, path: str) -> Fault | None:
        chosen = None
        for rule in self.rules:
            if rule.hits(method, project, path) and chosen is None:
                chosen = rule
        return chosen
