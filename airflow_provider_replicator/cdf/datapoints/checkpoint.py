# SPDX-License-Identifier: Apache-2.0
"""Which series are done, and which parts of long ones. Small, whatever the number of series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.plan import merged
from airflow_provider_replicator.cdf.stream_progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report

#: Characters of JSON that finished parts of long series may take, and how many parts (the longest) of each are remembered.
#: What is forgotten is copied again after a crash.
_MAX_JSON = 32_000
_MAX_PARTS = 10


@dataclass(slots=True, eq=False)
class Unit:
    """Series that are copied together. ``pending``: writes that are not acknowledged yet."""

    series: list[Series]
    pending: int = 0
    read: bool = False
    done: bool = False


class Progressed:
    """Units begin in the order of their series, so that everything up to one series is done, and little beyond it."""

    def __init__(
        self,
        report: Report,
        clock: Callable[[], int],
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._stream = StreamProgress(report, clock, checkpoint, progress, self._describe)
        self._open: list[Unit] = []
        done = self._stream.load() or {"after": None, "parts": {}}
        after = done["after"]
        self._after = (bool(after[0]), str(after[1])) if after else None
        self._parts: dict[str, list[tuple[int, int]]] = {
            key: [(begin, end) for begin, end in parts] for key, parts in done["parts"].items()
        }

    def remaining(self, series: Iterable[Series]) -> list[Series]:
        """The series that are not finished, in their order."""
        return [one for one in series if self._after is None or one.order > self._after]

    def begin(self, series: list[Series]) -> Unit:
        unit = Unit(series)
        self._open.append(unit)
        return unit

    def writing(self, unit: Unit) -> Callable[[], None]:
        """Something of the unit waits to be written; call the result when it is."""
        unit.pending += 1

        def written() -> None:
            unit.pending -= 1
            self._settle(unit)

        return written

    def all_read(self, unit: Unit) -> None:
        """Nothing more will be read for the unit: it is done when what waits is written."""
        unit.read = True
        self._settle(unit)

    def _settle(self, unit: Unit) -> None:
        unit.done = unit.read and not unit.pending
        while self._open and self._open[0].done:
            finished = self._open.pop(0)
            self._after = finished.series[-1].order
            for series in finished.series:
                self._parts.pop(series.key, None)
        self.tick()

    def done_parts(self, series: Series) -> list[tuple[int, int]]:
        """The ranges of a long series that are in the target already."""
        return self._parts.get(series.key, [])

    def part_done(self, series: Series, begin: int, end: int) -> None:
        """Every point of ``[begin, end)`` is in the target."""
        if begin < end:
            self._parts[series.key] = merged([*self.done_parts(series), (begin, end)])
            self.tick()

    def tick(self) -> None:
        """Log and save, if it is time."""
        self._stream.tick()

    def save(self) -> None:
        self._stream.save()

    def clear(self) -> None:
        """The run went to its end."""
        self._stream.clear()

    def _describe(self) -> dict[str, Any]:
        kept, room = {}, _MAX_JSON
        for key, parts in self._parts.items():
            longest = sorted(parts, key=lambda part: part[0] - part[1])[:_MAX_PARTS]
            room -= len(json.dumps([key, longest]))
            if room < 0:
                break
            kept[key] = longest
        return {"after": self._after, "parts": kept}
