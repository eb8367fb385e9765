# SPDX-License-Identifier: Apache-2.0
"""One page after the other: a request for several series, what it brought, and what to ask for next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.datapoints.api import Query, read_points
from airflow_provider_replicator.cdf.datapoints.transform import transformed
from airflow_provider_replicator.cdf.datapoints.write import MAX_BODY, Piece
from airflow_provider_replicator.cdf.protobuf.points import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.datapoints.jobs import Job
    from airflow_provider_replicator.cdf.datapoints.run import Reading
    from airflow_provider_replicator.cdf.protobuf.wire import PageItem

#: Bytes that a page of strings may have, and what a point of a series is taken for until one was seen.
_PAGE_BYTES = MAX_BODY // 2
_UNSEEN_STRING = 400


@dataclass(slots=True)
class Page:
    """``pieces``: what to write, per job, without jobs that got nothing. ``more``: the jobs that have further points."""

    pieces: list[tuple[Job, Piece]] = field(default_factory=list)
    more: list[Job] = field(default_factory=list)


def next_request(jobs: Sequence[Job]) -> tuple[list[tuple[Job, int]], list[Job]]:
    """What to ask for next, with a limit each, and the jobs that have to wait. By counts where they are known; else equal shares."""
    known = [job.expected for job in jobs if job.expected is not None]
    if len(known) == len(jobs):
        limits = plan.fill_request(known)
    else:
        chosen = jobs[: plan.MAX_ITEMS]
        limits = [_share(job, len(chosen)) for job in chosen]
    return list(zip(jobs, limits, strict=False)), list(jobs[len(limits) :])


def _share(job: Job, jobs: int) -> int:
    """How many points to ask of one of so many jobs. Of strings less than the API allows if they are long."""
    most = plan.MAX_POINTS // jobs
    if job.series.kind == "string":
        most = min(most, int(_PAGE_BYTES / jobs / (job.bytes_per_point or _UNSEEN_STRING)))
    return max(1, most)


def queries(asked: Sequence[tuple[Job, int]]) -> list[Query]:
    """What to ask the source for."""
    return [query(job, job.series.source_id, limit) for job, limit in asked]


def query(job: Job, number: int, limit: int) -> Query:
    """The next page of a job in the series ``number``, of the source or of the target."""
    return Query(number, job.start, job.end, limit if job.left is None else min(limit, job.left))


async def read_page(run: Reading, asked: Sequence[tuple[Job, int]]) -> Page:
    """Read on where each job is. Moves ``start`` of the jobs."""
    found = await read_points(run.source, queries(asked))
    page = Page()
    for job, _ in asked:
        item = found.get(job.series.source_id)
        if item is None:
            run.report.skip("deleted_from_the_source")
            continue
        piece, more = take(run, job, item)
        if piece.count:
            page.pieces.append((job, piece))
        if more:
            page.more.append(job)
    return page


def take(run: Reading, job: Job, item: PageItem) -> tuple[Piece, bool]:
    """The points of a source page as they are to be written, and whether the job has more. Moves the job's ``start``."""
    found = summary(item.payload, item.kind)
    run.report.read += found.count
    more = move_on(job, found.last, item.more, found.count)
    if found.count:
        job.bytes_per_point = len(item.payload) / found.count
    payload, count = item.payload, found.count
    if run.options.transform is not None and count:
        payload, count = transformed(run.options.transform, payload, item.kind, run.report)
    return Piece(job.series, payload, count), more


def move_on(job: Job, last: int, more: bool, count: int) -> bool:
    """``count`` points up to ``last`` are dealt with. Whether there is more to do."""
    job.in_source += count
    if job.expected is not None:
        job.expected = max(1, job.expected - count)
    if job.left is not None:
        job.left -= count
        more = more and job.left > 0
    if more:
        job.start = last + 1
    return more and job.start < job.end
