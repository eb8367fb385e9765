# SPDX-License-Identifier: Apache-2.0
"""What every check of a verification is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_provider_replicator.core.window import Window

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.options import OnConflict, Selection
    from airflow_provider_replicator.cdf.verify.report import VerifyReport

HOUR_MS = 3_600_000
#: CDF keeps points from 1900-01-01 to 2099-12-31.
ALL_TIME = Window(-2_208_988_800_000, 4_102_444_800_000)

Level = Literal["counts", "keys", "content", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The two projects, what to compare and how closely, and the report that the checks fill."""

    source: CdfClient
    target: CdfClient
    selection: Selection
    level: Level
    window: Window | None
    databases: tuple[str, ...] | None
    tables: tuple[str, ...] | None
    allow_extra: bool
    skip_unlinkable: bool
    skip_nonasset: bool
    on_conflict: OnConflict
    as_of: int | None
    report: VerifyReport

    @property
    def points_window(self) -> Window:
        """The timestamps to compare. ``as_of`` is rounded down to the hour, where aggregates reach."""
        window = self.window or ALL_TIME
        if self.as_of is None or self.as_of >= window.end_ms:
            return window
        end = self.as_of // HOUR_MS * HOUR_MS
        return Window(window.start_ms, max(end, window.start_ms + 1), window.origin)
