# SPDX-License-Identifier: Apache-2.0
"""Long series in segments, several at a time. Finished segments are remembered, for the case of a crash."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.datapoints.compare import compare
from airflow_provider_replicator.cdf.datapoints.counts import refined
from airflow_provider_replicator.cdf.datapoints.lanes import relay
from airflow_provider_replicator.cdf.datapoints.run import comparing
from airflow_provider_replicator.cdf.together import together

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.datapoints.checkpoint import Unit
    from airflow_provider_replicator.cdf.datapoints.jobs import Job
    from airflow_provider_replicator.cdf.datapoints.plan import Bucket
    from airflow_provider_replicator.cdf.datapoints.run import Reading


@dataclass(slots=True)
class _Split:
    """The parts of one job, in order of time, and the part that has to wait for all of them."""

    parts: list[Job]
    last: Job | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


async def copy_long(run: Reading, jobs: Sequence[Job], buckets: dict[int, list[Bucket]], unit: Unit) -> None:
    """Copy these jobs, each in segments that its buckets advise."""
    buckets = await refined(run, jobs, buckets)
    splits = [_split(run, job, buckets[id(job)]) for job in jobs]
    async with together() as group:
        # In turn: with many series, each of them grows at its end, which is cheaper for a store than in its middle.
        for turn in zip_longest(*(split.parts for split in splits)):
            for split, part in zip(splits, turn, strict=True):
                if part is not None:
                    split.tasks.append(group.create_task(_copy_part(run, part, unit)))
        for split in splits:
            if split.last is not None:
                group.create_task(_copy_last(run, split.last, split.tasks, unit))


def _split(run: Reading, job: Job, buckets: Sequence[Bucket]) -> _Split:
    if job.compare_with is not None:
        return _split_compared(run, job, buckets)
    segments = _segments(run, job, buckets)
    if not segments:  # an earlier try of this run has copied them all
        return _Split([])
    # The oldest page goes last: until it is there, a later run sees that the series is not complete.
    return _Split(segments[1:], last=replace(segments[0], held=job.held, oldest_last=True))


def _split_compared(run: Reading, job: Job, buckets: Sequence[Bucket]) -> _Split:
    assert job.compare_with is not None
    assert job.compare_with.last is not None
    comparing(run).deletes.compared()
    border = min(job.end, job.compare_with.last + 1)
    parts = _segments(run, replace(job, end=border), buckets)
    if border < job.end:
        # Behind the target's last point they are added in order of time, for the sake of runs without a window.
        parts.append(replace(job, start=border, compare_with=None, in_order=True))
    return _Split(parts)


def _segments(run: Reading, job: Job, buckets: Sequence[Bucket]) -> list[Job]:
    """The job in parts that are worth a lane of their own, without those that an earlier try of this run has copied."""
    if job.start >= job.end:
        return []
    done = run.progressed.done_parts(job.series)
    parts = [left for part in plan.segments(job.start, job.end, buckets) for left in plan.subtract(*part, done)]
    return [replace(job, start=begin, end=end, held=[]) for begin, end in parts]


async def _copy_last(run: Reading, part: Job, others: Sequence[asyncio.Task[None]], unit: Unit) -> None:
    for other in others:
        await other
    await _copy_part(run, part, unit)


async def _copy_part(run: Reading, part: Job, unit: Unit) -> None:
    begin = part.start
    if part.compare_with is not None:
        await compare(comparing(run), [part], unit, part=True)
    else:
        await relay(run, [part], unit, at_once=not part.in_order)
    if not part.in_order and not part.gone:  # deletes wait for the end of the run
        run.progressed.part_done(part.series, begin, part.end)
