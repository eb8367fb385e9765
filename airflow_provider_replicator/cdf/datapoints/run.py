# SPDX-License-Identifier: Apache-2.0
"""What all parts of one run over datapoints share: those that only read, and those that compare with a target as well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.plan import END_MS, FIRST_MS

if TYPE_CHECKING:
    import asyncio

    from airflow_provider_replicator.cdf.datapoints.checkpoint import Progressed
    from airflow_provider_replicator.cdf.datapoints.deletes import Deletes
    from airflow_provider_replicator.cdf.datapoints.write import Sink
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import DatapointOptions
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report


@dataclass(slots=True, kw_only=True)
class Reading:
    """``lanes``: ``most_lanes`` chains of pages are read at a time; each holds two pages at most, which bounds the memory.
    ``writer`` gets every point of the jobs, once.
    """

    source: CdfClient
    options: DatapointOptions
    report: Report
    writer: Sink
    progressed: Progressed
    lanes: asyncio.Semaphore
    most_lanes: int
    start: int = field(init=False)
    end: int = field(init=False)

    def __post_init__(self) -> None:
        window = self.options.window
        self.start = max(FIRST_MS, window.start_ms) if window else FIRST_MS
        self.end = min(END_MS, window.end_ms) if window else END_MS


@dataclass(slots=True, kw_only=True)
class Run(Reading):
    """A replication into another project."""

    target: CdfClient
    letters: DeadLetters
    deletes: Deletes

    @property
    def resume(self) -> bool:
        """Whether each series goes on after the target's last point; else the target's range is made equal to the source's."""
        return self.options.window is None and self.options.resume

    @property
    def any_order(self) -> bool:
        """Whether an empty series may be filled in any order. Needs every source point to have its like in the target."""
        return self.options.transform is None and self.options.limit is None


def comparing(reading: Reading) -> Run:
    """The run, for jobs that are compared with a target: only a replication has such jobs."""
    assert isinstance(reading, Run)
    return reading
