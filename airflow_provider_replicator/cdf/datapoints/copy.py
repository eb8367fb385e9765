# SPDX-License-Identifier: Apache-2.0
"""From jobs to lanes: small series share requests, long ones are cut into segments that are copied at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.datapoints.compare import compare, compare_first
from airflow_provider_replicator.cdf.datapoints.counts import first_look
from airflow_provider_replicator.cdf.datapoints.jobs import Job
from airflow_provider_replicator.cdf.datapoints.lanes import probe, relay, relay_first
from airflow_provider_replicator.cdf.datapoints.long import copy_long
from airflow_provider_replicator.cdf.datapoints.run import comparing
from airflow_provider_replicator.cdf.together import all_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from typing import Any

    from airflow_provider_replicator.cdf.datapoints.checkpoint import Unit
    from airflow_provider_replicator.cdf.datapoints.run import Reading

#: Requests that series share of which nobody knows how long they are, before each of them goes its own way.
_SHARED_REQUESTS = 3


async def copy(run: Reading, jobs: Sequence[Job], unit: Unit, *, count_first: bool) -> None:
    """Do the jobs of up to 100 series. ``count_first``: when there are few series in all, one request for their counts spares several
    for their points; when there are many, most are small and their first page is all of them.
    """
    counted: list[Job] = []
    rest: list[Job] = []
    for job in jobs:
        by_count = count_first and not job.in_order and _countable(job)
        (counted if by_count else rest).append(job)
    if rest:
        counted += await _first_pages(run, rest, unit)
    if counted:
        await _copy_counted(run, counted, unit)


def _countable(job: Job) -> bool:
    return job.series.kind == "numeric"


async def _first_pages(run: Reading, jobs: Sequence[Job], unit: Unit) -> list[Job]:
    """Copy what a request or two can copy, and strings, which cannot be counted, to their end. What is left comes back."""
    left: list[Job] = []

    async def first_page(group: list[Job]) -> None:
        if not _countable(group[0]):
            await _copy_uncounted(run, group, unit)
        elif group[0].compare_with:
            left.extend(await compare_first(comparing(run), group, unit))
        else:
            left.extend(await probe(run, group, unit))

    await all_of(first_page(group) for group in _alike(jobs))
    return left


async def _copy_uncounted(run: Reading, jobs: list[Job], unit: Unit) -> None:
    """Copy strings: most series in a few requests that they share, and each of those that turn out to be long for itself."""
    compared = jobs[0].compare_with is not None
    for _ in range(_SHARED_REQUESTS):
        if jobs:
            jobs = await (compare_first(comparing(run), jobs, unit) if compared else relay_first(run, jobs, unit))
    await all_of(_copy_lane(run, [job], unit) for job in jobs)


def _alike(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """The jobs in groups that one request can serve: of one kind, compared or not, at most 100."""
    groups: dict[tuple[bool, bool], list[Job]] = {}
    for job in jobs:
        groups.setdefault((_countable(job), job.compare_with is not None), []).append(job)
    for group in groups.values():
        for at in range(0, len(group), plan.MAX_ITEMS):
            yield group[at : at + plan.MAX_ITEMS]


async def _copy_counted(run: Reading, jobs: Sequence[Job], unit: Unit) -> None:
    """Copy numeric series as their counts advise."""
    buckets = await first_look(run, jobs)
    small: list[Job] = []
    long: list[Job] = []
    for job in jobs:
        total = sum(bucket.count for bucket in buckets[id(job)])
        if plan.is_long(total) and not job.in_order and job.left is None:
            long.append(job)
        else:
            job.expected = total if job.left is None else min(total, job.left)
            small.append(job)
    work: list[Coroutine[Any, Any, None]] = [copy_long(run, long, buckets, unit)] if long else []
    for compared in (False, True):
        chosen = [(job, job.expected or 0) for job in small if (job.compare_with is not None) == compared]
        work += [_copy_lane(run, lane, unit) for lane in plan.lanes(chosen, at_once=run.most_lanes)]
    await all_of(work)


def _copy_lane(run: Reading, jobs: Sequence[Job], unit: Unit) -> Coroutine[Any, Any, None]:
    """Copy jobs that are alike."""
    return compare(comparing(run), jobs, unit) if jobs[0].compare_with is not None else relay(run, jobs, unit)
