# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about any table that follows a feed. Plain values, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.table import OnSchemaChange

OnMisfit = Literal["fail", "rescue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeWhen:
    """When pending changes are merged into the current table: as soon as *one* of these is reached. None: never for that reason.

    Delta copies on write: two hundred changes at random keys rewrite nearly every file of a table. So a table of at most
    ``small_table`` rows is merged at the end of every run, and a larger one when its pending changes are a ``share`` of its rows,
    so many ``rows`` or ``megabytes`` (of memory, which whoever reads them needs), in so many ``batches`` (each is a small file that
    readers open as well), or so old (``hours``). Readers that go through :mod:`.current` see the changes at once, merged or not.
    """

    small_table: int = 50_000
    share: float | None = 0.1
    rows: int | None = 250_000
    megabytes: float | None = 128.0
    batches: int | None = 100
    hours: float | None = 24.0

    def __post_init__(self) -> None:
        for name in ("share", "rows", "megabytes", "batches", "hours"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(
                    f"merge_when: {name} is {value}: write a number > 0, or None for no such bound"
                )

    def due(self, *, table_rows: int, rows: int, size: int, batches: int, hours: float) -> bool:
        """Whether ``rows`` pending changes of ``size`` bytes in so many batches, the oldest of them so old, are to be merged now."""
        if not rows:
            return False
        bounds = (
            (self.share, rows / max(table_rows, 1)),
            (self.rows, rows),
            (self.megabytes, size / 1_000_000),
            (self.batches, batches),
            (self.hours, hours),
        )
        return table_rows <= self.small_table or any(bound is not None and value >= bound for bound, value in bounds)


class FeedOptions(Protocol):
    """What the tables of a feed have to know."""

    @property
    def history(self) -> bool: ...
    @property
    def resync(self) -> bool: ...
    @property
    def on_schema_change(self) -> OnSchemaChange: ...
    @property
    def merge_when(self) -> MergeWhen: ...
    @property
    def commit_rows(self) -> int: ...
    @property
    def commit_bytes(self) -> int: ...


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises ConfigurationError for a value that is not among those known."""
    if value not in known:
        raise ConfigurationError(f"{name} is {value!r}: write {' or '.join(repr(one) for one in known)}")


def within(name: str, value: int | None, most: int) -> None:
    """Raises ConfigurationError for a number outside of 1 to ``most``; None is not given."""
    if value is not None and not 1 <= value <= most:
        raise ConfigurationError(f"{name} is {value}: write a whole number from 1 to {most}")
