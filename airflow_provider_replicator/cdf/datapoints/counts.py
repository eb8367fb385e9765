# SPDX-License-Identifier: Apache-2.0
"""Where series have their points: roughly for all, finely for long ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.datapoints.api import CountQuery, count_points
from airflow_provider_replicator.cdf.together import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.datapoints.jobs import Job
    from airflow_provider_replicator.cdf.datapoints.plan import Bucket
    from airflow_provider_replicator.cdf.datapoints.run import Reading

#: Buckets of the first look at up to 100 series. Only buckets that hold points are answered: of two centuries these are few,
#: of a window perhaps all.
_FIRST_LOOK, _FIRST_LOOK_AT_WINDOW = 9_000, 1_000
_DECADES_MS = 30 * 365 * 86_400_000
#: Counts of long series are refined until segments come out nearly full, at most so often, so many series in one request.
_REFINEMENTS = 3
_REFINED_TOGETHER = 5


async def first_look(run: Reading, jobs: Sequence[Job]) -> dict[int, list[Bucket]]:
    """Where each job has points, by the identity of the job: roughly."""
    span = max(job.end - job.start for job in jobs)
    return await _counts(
        run,
        [(job, job.start, job.end) for job in jobs],
        _FIRST_LOOK if span > _DECADES_MS else _FIRST_LOOK_AT_WINDOW,
    )


async def refined(run: Reading, jobs: Sequence[Job], buckets: dict[int, list[Bucket]]) -> dict[int, list[Bucket]]:
    """The same for long series, fine enough to cut them well, if that can be had."""
    for _ in range(_REFINEMENTS):
        coarse = [job for job in jobs if not plan.fine_enough(buckets[id(job)])]
        groups = [coarse[at : at + _REFINED_TOGETHER] for at in range(0, len(coarse), _REFINED_TOGETHER)]
        ranges = [[(job, *plan.extent(buckets[id(job)], job.start, job.end)) for job in group] for group in groups]
        for found in await all_of(_counts(run, some, plan.MAX_AGGREGATES) for some in ranges):
            buckets = buckets | found
    return buckets


async def _counts(run: Reading, ranges: Sequence[tuple[Job, int, int]], buckets: int) -> dict[int, list[Bucket]]:
    """The buckets that hold points of each job. ``buckets``: how many, shared by the jobs."""
    share = max(1, buckets // len(ranges) - 2)  # the API begins and ends with whole units of time
    asked = [
        CountQuery(job.series.source_id, begin, end, *plan.granularity(end - begin, share))
        for job, begin, end in ranges
    ]
    found = await count_points(run.source, asked)
    return {id(job): found.get(job.series.source_id, []) for job, _, _ in ranges}
