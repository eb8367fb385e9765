# SPDX-License-Identifier: Apache-2.0
"""Pages of both sides, compared as bytes: equal ones cost no decoding and no write; of others only the difference is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.api import read_points
from airflow_provider_replicator.cdf.datapoints.deletes import Range
from airflow_provider_replicator.cdf.datapoints.pages import move_on, next_request, queries, query
from airflow_provider_replicator.cdf.datapoints.transform import normal, transformed
from airflow_provider_replicator.cdf.datapoints.write import Piece
from airflow_provider_replicator.cdf.protobuf.points import Difference, difference, select, summary, timestamps
from airflow_provider_replicator.cdf.protobuf.wire import PageItem
from airflow_provider_replicator.cdf.tasks import both

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_replicator.cdf.datapoints.api import Query
    from airflow_provider_replicator.cdf.datapoints.checkpoint import Unit
    from airflow_provider_replicator.cdf.datapoints.jobs import Job
    from airflow_provider_replicator.cdf.datapoints.run import Run
    from airflow_provider_replicator.cdf.protobuf.wire import Buffer

    Asked = Sequence[tuple[Job, int]]


async def compare(run: Run, jobs: Sequence[Job], unit: Unit, *, part: bool = False) -> None:
    """Make the target's points in the ranges of these jobs equal to the source's. Deletes are only noted. ``part``: the jobs are
    parts of series, so that one without a point says nothing.
    """
    async with run.lanes:
        waiting = list(jobs)
        while waiting:
            asked, waiting = next_request(waiting)
            waiting = [*await _compare_page(run, asked, unit, part=part), *waiting]


async def compare_first(run: Run, jobs: Sequence[Job], unit: Unit) -> list[Job]:
    """The same for the first page of up to 100 series only. The jobs that have more come back."""
    async with run.lanes:
        return await _compare_page(run, next_request(jobs)[0], unit, part=False)


async def _compare_page(run: Run, asked: Asked, unit: Unit, *, part: bool) -> list[Job]:
    """Compare one page of each job on both sides and write what differs. The jobs that have more."""
    ours, theirs = await both(read_points(run.source, queries(asked)), read_points(run.target, _target_queries(asked)))
    pieces, more = [], []
    for job, _ in asked:
        mine = ours.get(job.series.source_id)
        if mine is None:
            run.report.skip("deleted_from_the_source")
            continue
        piece, goes_on = _compare(run, job, mine, _target_page(theirs, job), unit)
        if piece.count:
            pieces.append(piece)
        if goes_on:
            more.append(job)
        elif not part:
            run.deletes.compared(emptied=job.gone > 0 and not job.in_source)
    await run.writer.write(pieces)
    return more


def _target_queries(asked: Asked) -> list[Query]:
    return [query(job, job.compare_with.id, limit) for job, limit in asked if job.compare_with]


def _target_page(pages: dict[int, PageItem], job: Job) -> PageItem:
    found = pages.get(job.compare_with.id) if job.compare_with else None
    return found or PageItem(id=0, kind=job.series.kind, payload=b"", more=False)


def _compare(run: Run, job: Job, ours: PageItem, theirs: PageItem, unit: Unit) -> tuple[Piece, bool]:
    """What to write of one source page, and whether there is more to compare. Moves the job's ``start``.

    Both pages begin at the same time. If one of them is not the end of its series, points are compared up to its last one: what
    the other has later is read again with the next page.
    """
    found = summary(ours.payload, ours.kind)
    if found.count:
        job.bytes_per_point = len(ours.payload) / found.count
    if run.options.transform is None and ours.more == theirs.more and ours.payload == theirs.payload:
        run.report.read += found.count
        run.report.unchanged += found.count
        return Piece(job.series, b"", 0), move_on(job, found.last, ours.more, found.count)
    until = min((summary(page.payload, page.kind).last for page in (ours, theirs) if page.more), default=None)
    payload, count = _up_to(ours, until)
    step = _difference(run, payload, theirs, until)
    run.report.read += count
    run.report.unchanged += step.same
    _note_deletes(run, job, step, run.progressed.writing, unit)
    more = move_on(job, until or 0, until is not None, count)
    return Piece(job.series, step.write, step.written), more


def _up_to(page: PageItem, until: int | None) -> tuple[Buffer, int]:
    """The part of a page up to the timestamp ``until``, and how many points that is."""
    if until is None:
        return page.payload, summary(page.payload, page.kind).count
    keep = timestamps(page.payload, page.kind) <= until
    return (page.payload if keep.all() else select(page.payload, keep)), int(keep.sum())


def _difference(run: Run, payload: Buffer, theirs: PageItem, until: int | None) -> Difference:
    transform, kind = run.options.transform, theirs.kind
    if transform is None:
        return difference(payload, theirs.payload, kind, until=until)
    after, count = transformed(transform, payload, kind, run.report)
    if not _subset(after, payload, theirs):
        # Points were moved in time, so this page says nothing about what the target should not have: only write.
        return Difference(write=after, written=count, delete=[], deleted=0, same=0)
    return difference(after, normal(theirs.payload, kind), kind, until=until)


def _subset(after: Buffer, before: Buffer, page: PageItem) -> bool:
    import numpy as np

    return bool(np.isin(timestamps(after, page.kind), timestamps(before, page.kind)).all())


def _note_deletes(
    run: Run, job: Job, step: Difference, writing: Callable[[Unit], Callable[[], None]], unit: Unit
) -> None:
    if not step.deleted or not run.options.mirror:
        return
    job.gone += step.deleted
    share = _counts(step.deleted, len(step.delete))
    ranges = [Range(job.series, *span, count) for span, count in zip(step.delete, share, strict=True)]
    run.deletes.add(ranges, writing(unit))


def _counts(points: int, ranges: int) -> list[int]:
    """How many points to count for each range: only their sum is shown."""
    return [points - (ranges - 1), *[1] * (ranges - 1)]
