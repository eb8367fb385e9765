# SPDX-License-Identifier: Apache-2.0
"""What a test can switch at run time, through ``/_sandbox/settings`` or in process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Settings:
    """``latency_ms`` is waited before every answer of the API. ``short_pages`` (0: off) is the most items any list page holds,
    whatever the client's limit. ``commit_delay_ms`` is how long a write stays invisible to lists, searches and aggregates, as in
    CDF's eventually consistent indexes (retrieval by id sees it at once). ``rate_limits`` applies CDF's published limits,
    multiplied by ``rate_factor``. ``max_body_bytes``: larger request bodies get 413. ``gzip`` allows compressed answers.
    ``sync_overlap`` is how many instances a page of ``/models/instances/sync`` repeats of the full page before it.
    ``graph_timeout_above`` (0: off): queries and syncs whose limit is larger run into the service's timeout, 408."""

    latency_ms: float = 0.0
    short_pages: int = 0
    commit_delay_ms: int = 0
    rate_limits: bool = False
    rate_factor: float = 1.0
    max_body_bytes: int = 100 * 1024 * 1024
    gzip: bool = True
    sync_overlap: int = 0
    graph_timeout_above: int = 0

    def update(self, values: dict[str, Any]) -> None:
        """Change the named settings. Raises ValueError for an unknown name or a value of the wrong type; then nothing changed."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"unknown setting {name!r}; there are: {', '.join(kinds)}")
            accepted = (int, float) if kinds[name] is float else (kinds[name],)
            if not isinstance(value, accepted) or (isinstance(value, bool) and kinds[name] is not bool):
                raise ValueError(f"setting {name!r} must be a {kinds[name].__name__}")
        for name, value in values.items():
            setattr(self, name, kinds[name](value))
