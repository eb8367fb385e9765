# SPDX-License-Identifier: Apache-2.0
"""How far a run is: batches are done in any order, but a checkpoint may only say what holds without a gap."""

from __future__ import annotations

from typing import Any

#: number of the batch, and the sequence it reaches
Reached = tuple[int, Any]
_LOWEST: Reached = (0, 0)


class Progress:
    """``through`` has no gap before it; ``highest`` is the furthest batch that is done; ``committed`` is in the checkpoint."""

    def __init__(self, start_seq: Any) -> None:
        self.through: Reached = (0, start_seq)
        self.committed: Reached = (0, start_seq)
        self.highest = _LOWEST
        self._under_way: list[Reached] = []

    @property
    def nothing_done(self) -> bool:
        return self.highest == _LOWEST

    def started(self, reached: Reached) -> None:
        self._under_way.append(reached)

    def done(self, reached: Reached) -> None:
        through = self.through
        if not self._under_way or self._under_way[0] == reached:
            through = reached
        if reached in self._under_way:
            self._under_way.remove(reached)
        self.highest = max(self.highest, reached, key=_number)
        self.through = through if self._under_way else max(through, self.highest, key=_number)


def _number(reached: Reached) -> int:
    return reached[0]
