# SPDX-License-Identifier: Apache-2.0
"""What is to be done with each series: asked once per hundred of them.

A target series is never left in a state that a later run without a window would take for complete. Such a run goes on after the
target's last point. So points after that one are added in order of time; and where a series is filled in any other order
(in parallel), its oldest page is written last, and a series whose first point in the target is later than the source's is
filled anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.api import Query, TargetSeries, latest, read_points
from airflow_provider_replicator.cdf.datapoints.plan import END_MS, FIRST_MS
from airflow_provider_replicator.cdf.protobuf.points import summary
from airflow_provider_replicator.cdf.tasks import both

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.datapoints.run import Run
    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.datapoints.write import Piece
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.protobuf.wire import PageItem

NOT_IN_TARGET = "not in the target: run CdfReplicateTimeSeries first"


@dataclass(slots=True, eq=False)
class Job:
    """The points of ``series`` in ``[start, end)`` ms that are to be in the target. ``start`` moves on as pages are read.

    ``compare_with``: the series of the target whose points are read as well and compared; None if there are none in the range.
    ``in_order``: points are added in order of time. ``oldest_last``: the first page is written when all others are.
    ``left``: how many points may still be read (None: all). ``expected``: how many there probably are (None: nobody knows).
    ``held``: points that are read and not yet written, the oldest of the job. ``in_source``: points read so far; ``gone``: points
    of the target among them that the source no longer has.
    """

    series: Series
    start: int
    end: int
    compare_with: TargetSeries | None = None
    in_order: bool = False
    oldest_last: bool = False
    left: int | None = None
    expected: int | None = None
    held: list[Piece] = field(default_factory=list)
    bytes_per_point: float = 0.0
    in_source: int = 0
    gone: int = 0


async def jobs_of(run: Run, series: Sequence[Series]) -> list[Job]:
    """The jobs for up to 100 series of one kind."""
    known = await latest(run.target, series, before=run.end)
    present = [one for one in series if _is_there(run, one, known.get(one))]
    if not run.resume:
        return [_mirror_job(run, one, known.get(one)) for one in present if run.start < run.end]
    filled = {one: found for one in present if (found := known.get(one)) is not None and found.last is not None}
    partial = await _filled_in_part(run, filled)
    jobs = [_resume_job(run, one, filled.get(one), partial=one in partial) for one in present]
    return [job for job in jobs if job.start < job.end]


def _is_there(run: Run, series: Series, found: TargetSeries | None) -> bool:
    if found is None:
        if run.options.dry_run:
            run.report.skip("series_not_in_the_target_yet")
            return True  # the plan is that of an empty one
        if series.may_miss:
            run.report.skip(series.may_miss)
            return False
        run.letters.add("datapoints", series.key, series.reference, NOT_IN_TARGET)
        return False
    if found.kind != series.kind:
        reason = f"the series is {series.kind} in the source and {found.kind} in the target"
        run.letters.add("datapoints", series.key, series.reference, reason)
        return False
    return True


def _mirror_job(run: Run, series: Series, found: TargetSeries | None) -> Job:
    empty = found is None or found.last is None or found.last < run.start
    return Job(series, run.start, run.end, compare_with=None if empty else found, left=run.options.limit)


def _resume_job(run: Run, series: Series, found: TargetSeries | None, *, partial: bool) -> Job:
    limit = run.options.limit
    if found is None or found.last is None:
        return Job(series, FIRST_MS, END_MS, in_order=not run.any_order, left=limit)
    if partial:
        return Job(series, FIRST_MS, END_MS, oldest_last=True, left=limit)
    return Job(series, found.last + 1, END_MS, in_order=True, left=limit)


async def _filled_in_part(run: Run, filled: dict[Series, TargetSeries]) -> set[Series]:
    """The series whose first point in the target is later than the one in the source."""
    if not filled or not run.any_order:
        return set()
    ours, theirs = await both(
        _first_points(run.source, [one.source_id for one in filled]),
        _first_points(run.target, [found.id for found in filled.values()]),
    )
    return {
        one
        for one, found in filled.items()
        if one.source_id in ours and (found.id not in theirs or theirs[found.id] > ours[one.source_id])
    }


async def _first_points(client: CdfClient, ids: Sequence[int]) -> dict[int, int]:
    """The timestamp of the first point of each series that has one."""
    pages: dict[int, PageItem] = await read_points(client, [Query(one, FIRST_MS, END_MS, 1) for one in ids])
    return {one: summary(page.payload, page.kind).first for one, page in pages.items() if len(page.payload)}
