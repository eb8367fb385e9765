# SPDX-License-Identifier: Apache-2.0
"""What a test can switch at run time, through ``/_sandbox/settings`` or in process."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_replicator.sandbox.settings import ServerSettings


@dataclass(slots=True)
class Settings(ServerSettings):
    """Besides those of any server: ``short_pages`` (0: off) is the most items any list page holds,
    whatever the client's limit. ``commit_delay_ms`` is how long a write stays invisible to lists, searches and aggregates, as in
    CDF's eventually consistent indexes (retrieval by id sees it at once). ``rate_limits`` applies CDF's published limits,
    multiplied by ``rate_factor``.
    ``sync_overlap`` is how many instances a page of ``/models/instances/sync`` repeats of the full page before it.
    ``graph_timeout_above`` (0: off): queries and syncs whose limit is larger run into the service's timeout, 408."""

    short_pages: int = 0
    commit_delay_ms: int = 0
    rate_limits: bool = False
    rate_factor: float = 1.0
    sync_overlap: int = 0
    graph_timeout_above: int = 0
