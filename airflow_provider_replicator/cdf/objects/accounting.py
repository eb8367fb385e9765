# SPDX-License-Identifier: Apache-2.0
"""Requests, bytes and seconds of one run, into its report."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.report import Report


@contextmanager
def accounted(report: Report, source: CdfClient, target: CdfClient | None = None) -> Iterator[None]:
    """What the clients do inside the block is counted in the report, also if the block fails. No ``target``: it is not CDF."""
    before = _traffic(source, target)
    try:
        yield
    finally:
        after = _traffic(source, target)
        report.requests = {"source": after[0] - before[0], "target": after[1] - before[1]}
        report.bytes = after[2] - before[2]
        report.seconds = time.monotonic() - report.started


def _traffic(source: CdfClient, target: CdfClient | None) -> tuple[int, int, int]:
    asked, sent = (0, 0) if target is None else (target.stats.requests, target.stats.bytes_sent)
    return source.stats.requests, asked, source.stats.bytes_received + sent
