# SPDX-License-Identifier: Apache-2.0
"""What a user can choose, as frozen value objects. Checked once, where they are made."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.core.window import Window

Mode = Literal["full", "window"]
OnConflict = Literal["adopt", "skip", "fail"]

#: CDF's lists are eventually consistent; re-reading ten minutes before the window is harmless, missing a change is not.
DEFAULT_OVERLAP_MS = 10 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which source objects a run covers. Empty means all; several criteria are combined with AND.

    ``None`` and an empty tuple differ: ``external_ids=()`` selects nothing and is refused, because a template that rendered
    to an empty list must not copy a whole project.
    """

    external_ids: tuple[str, ...] | None = None
    external_id_prefix: str | None = None
    exclude_pattern: str | None = None
    data_set_external_ids: tuple[str, ...] | None = None
    asset_subtree_external_ids: tuple[str, ...] | None = None
    max_depth: int | None = None

    def __post_init__(self) -> None:
        for name in ("external_ids", "data_set_external_ids", "asset_subtree_external_ids"):
            if getattr(self, name) == ():
                raise ConfigurationError(f"{name} is an empty list: leave it out to select everything")
        if self.max_depth is not None and (self.max_depth < 0 or not self.asset_subtree_external_ids):
            raise ConfigurationError(
                "max_depth is a number >= 0 and needs asset_subtree_external_ids (a root has depth 0)"
            )
        if self.exclude_pattern is not None:
            try:
                re.compile(self.exclude_pattern)
            except re.error as error:
                raise ConfigurationError(f"exclude_pattern is not a regular expression: {error}") from error

    @property
    def everything(self) -> bool:
        return self == Selection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choices common to every resource type."""

    mode: Mode = "full"
    window: Window | None = None
    dry_run: bool = False
    selection: Selection = field(default_factory=Selection)
    skip_unlinkable: bool = False
    skip_nonasset: bool = False
    on_conflict: OnConflict = "adopt"
    dead_letter_path: str | None = None
    delete_missing: bool = False
    delete_foreign: bool = False
    max_delete_fraction: float = 0.1
    max_failed: int = 0
    overlap_ms: int = DEFAULT_OVERLAP_MS

    def __post_init__(self) -> None:
        if self.mode not in ("full", "window"):
            raise ConfigurationError(f"mode is {self.mode!r}: write 'full' or 'window'")
        if self.mode == "window" and self.window is None:
            raise ConfigurationError(
                "mode='window' needs a window: give window_start and window_end, or run with a data interval"
            )
        if self.on_conflict not in ("adopt", "skip", "fail"):
            raise ConfigurationError(f"on_conflict is {self.on_conflict!r}: write 'adopt', 'skip' or 'fail'")
        if not 0 <= self.max_delete_fraction <= 1:
            raise ConfigurationError(f"max_delete_fraction is {self.max_delete_fraction}: write a number from 0 to 1")
        if self.max_failed < 0:
            raise ConfigurationError(f"max_failed is {self.max_failed}: write a number >= 0")
        if (self.delete_missing or self.delete_foreign) and self.mode != "full":
            raise ConfigurationError(
                "delete_missing and delete_foreign need mode='full': a window does not see what is absent"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapointOptions(Options):
    """Choices for datapoints. ``transform(timestamps_ms: int64[n], values: float64[n] | object[n]) -> (timestamps, values)``.

    ``mirror``: points of the window that the source no longer has are deleted in the target. ``limit``: at most so many
    points per series, oldest first. ``shard``: (index, count): only series whose key hashes to that shard. ``resume``: without a
    window, each series goes on after the target's last point; else, without a window, all points are compared.
    """

    mirror: bool = True
    transform: Callable[..., object] | None = None
    limit: int | None = None
    shard: tuple[int, int] | None = None
    resume: bool = True

    def __post_init__(self) -> None:
        Options.__post_init__(
            self
        )  # not super(): a dataclass with slots is made anew, and super() would name the old one
        if self.limit is not None and self.limit < 1:
            raise ConfigurationError(f"limit is {self.limit}: write a number >= 1, or leave it out")
        if self.shard is not None and not 0 <= self.shard[0] < self.shard[1]:
            raise ConfigurationError(f"shard is {self.shard}: write (index, count) with 0 <= index < count")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOptions(Options):
    """Choices for raw. Names are matched with shell wildcards (``*``, ``?``, ``[abc]``); ``tables`` as ``table`` or ``db/table``."""

    databases: tuple[str, ...] | None = None
    tables: tuple[str, ...] | None = None
