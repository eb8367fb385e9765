# SPDX-License-Identifier: Apache-2.0
"""The time the sandbox believes in: the wall clock, shifted or frozen by tests."""

from __future__ import annotations

import time


class Clock:
    """Milliseconds since 1970. ``Clock(at=…)`` is frozen: it moves only by :meth:`advance`, which is what simulations want."""

    def __init__(self, *, at: int | None = None) -> None:
        self._frozen_at = at
        self._offset = 0

    @property
    def frozen(self) -> bool:
        return self._frozen_at is not None

    def now_ms(self) -> int:
        base = time.time_ns() // 1_000_000 if self._frozen_at is None else self._frozen_at
        return base + self._offset

    def advance(self, ms: int) -> None:
        """Move by ``ms`` milliseconds; a running clock stays ahead by that much."""
        self._offset += ms

    def freeze(self, at: int | None = None) -> None:
        """Stand still at ``at`` (or now)."""
        self._frozen_at = self.now_ms() if at is None else at
        self._offset = 0

    def resume(self) -> None:
        """Follow the wall clock again, without any shift."""
        self._frozen_at = None
        self._offset = 0
