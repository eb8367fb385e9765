# SPDX-License-Identifier: Apache-2.0
"""Both ways: two jobs, A to B and B to A. Conflicting edits are kept as branches on both sides; nothing is merged."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb.jobs.wait import Follower
from airflow_provider_replicator.couchdb.jobs.waiting import Ended
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.jobs.choices import Until, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.job import Job
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.jobs.outcome import Outcome
    from airflow_provider_replicator.couchdb.jobs.progress import Progress


def reversed_options(options: ReplicationOptions) -> ReplicationOptions:
    """The way back. Raises ConfigurationError for ``since_seq``, which belongs to one database.

    ``create_target`` is for the way there: the way back finds its target there already.
    """
    if options.since_seq not in (None, "0"):
        raise ConfigurationError("since_seq belongs to one database: it cannot be used both ways")
    return replace(
        options,
        source_db=options.target_db,
        target_db=options.source_db,
        create_target=False,
        create_target_params=None,
        source_proxy=options.target_proxy,
        target_proxy=options.source_proxy,
    )


async def wait_both(
    mediator: CouchClient,
    jobs: tuple[Job, Job],
    limits: WaitLimits,
    *,
    until: Until | None = None,
    started_at: float | None = None,
    source: CouchClient | None = None,
    target: CouchClient | None = None,
    on_progress: Callable[[Job, Progress], None] | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[Outcome, Outcome]:
    """Until both have ended, or one has failed: the other's outcome is then ``stalled``, with its state so far.

    One-shot jobs have drained when both have completed: what was in either database when they began is then in both.
    """
    followers = [
        Follower(
            mediator,
            job,
            limits,
            until=until,
            started_at=started_at,
            source=near,
            target=far,
            on_progress=None if on_progress is None else partial(on_progress, job),
            clock=clock,
        )
        for job, near, far in ((jobs[0], source, target), (jobs[1], target, source))
    ]
    outcomes: list[Outcome | None] = [None, None]
    while True:
        for index, follower in enumerate(followers):
            outcomes[index] = outcomes[index] or await follower.look()
        there, back = outcomes
        if there is not None and back is not None:
            return there, back
        if there is not None and not there.ok:
            return there, followers[1].outcome(_left(there))
        if back is not None and not back.ok:
            return followers[0].outcome(_left(back)), back
        # Each look of both costs two requests, so the pause is for two.
        waiting = [one.pause() for one, outcome in zip(followers, outcomes, strict=True) if outcome is None]
        await mediator.transport.sleep(sum(waiting))


def _left(failed: Outcome) -> Ended:
    return Ended("stalled", f"not waited for any longer: the other way has ended ({failed.kind}): {failed.reason}")
