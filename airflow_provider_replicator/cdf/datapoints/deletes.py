# SPDX-License-Identifier: Apache-2.0
"""Points that the source no longer has: collected while comparing, deleted at the end, if the guard agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.plan import MAX_DELETES
from airflow_provider_replicator.exceptions import CdfRequestError, DeleteGuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report


@dataclass(frozen=True, slots=True)
class Range:
    """``[begin, end)`` ms of a series holds ``count`` points of the target and none of the source."""

    series: Series
    begin: int
    end: int
    count: int


class Deletes:
    """What to delete. Neighbouring points are one range, so a deleted year of seconds takes as little room as one point.

    The guard counts series, not points: a series that lost a part of its points was edited; a series whose source has no point
    left in the whole range was emptied, made anew, or is hidden from us. If that is so for more than ``max_fraction`` of the series
    that were compared, nothing is deleted.
    """

    def __init__(self, target: CdfClient, report: Report, letters: DeadLetters, *, max_fraction: float) -> None:
        self._target = target
        self._report = report
        self._letters = letters
        self._max_fraction = max_fraction
        self._ranges: list[Range] = []
        self._done: list[Callable[[], None]] = []
        self._compared = 0
        self._emptied = 0

    def compared(self, *, emptied: bool = False) -> None:
        """Count a series whose points were compared. ``emptied``: the source has none of them, the target has."""
        self._compared += 1
        self._emptied += emptied

    def add(self, ranges: Sequence[Range], done: Callable[[], None]) -> None:
        """Delete these at the end; ``done`` is called when that is done."""
        self._ranges += ranges
        self._done.append(done)

    async def apply(self, *, dry_run: bool) -> None:
        """Delete. Raises DeleteGuardError, and deletes nothing, if too many series would be emptied."""
        self._guard()
        for at in range(0, len(self._ranges), MAX_DELETES):
            batch = self._ranges[at : at + MAX_DELETES]
            if dry_run:
                self._report.deleted += sum(one.count for one in batch)
            else:
                await self._delete(batch)
        self._ranges = []
        for done in self._done:
            done()

    def _guard(self) -> None:
        if self._emptied > self._max_fraction * self._compared:
            raise DeleteGuardError(
                f"{self._emptied} of {self._compared} series have points in the target and none left in the source; "
                f"max_delete_fraction={self._max_fraction} does not allow that. Nothing was deleted, everything else was copied. "
                "If the source is right, run again with max_delete_fraction=1; to keep the points, with mirror=False"
            )

    async def _delete(self, batch: Sequence[Range]) -> None:
        items: list[dict[str, Any]] = [
            {**one.series.reference, "inclusiveBegin": one.begin, "exclusiveEnd": one.end} for one in batch
        ]
        try:
            await self._target.post_json("/timeseries/data/delete", {"items": items})
        except CdfRequestError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._delete(batch[:middle])
                await self._delete(batch[middle:])
            else:
                self._letters.add("datapoints", f"{batch[0].series.key} (delete)", items[0], error.message)
            return
        self._report.deleted += sum(one.count for one in batch)
