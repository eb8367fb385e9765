# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about publishing. Plain values, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from airflow_provider_replicator.exceptions import ConfigurationError

Format = Literal["parquet", "hyper"]
Names = Literal["column", "property"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """How a snapshot is published.

    :param formats: ``parquet``, and ``hyper`` beside it (needs the extra ``[tableau]``)
    :param names: columns are called as in the table (``column``: no two differ by case alone), or as the property at the source
        (``property``)
    :param keep_versions: so many earlier snapshots stay readable; older ones are removed
    :param reuse_unchanged: a table that has not changed since the last snapshot is copied from it within the lake, instead of being
        read again
    :param missing_ok: leave out tables that do not exist (yet), instead of failing
    :param temporary_folder: where files are made before they go to the lake; None: the system's. It needs room for the files
        of one table, and of the one before it that is still on its way
    :param lease_seconds: a run that has shown no sign of life for so long is taken for dead, and what it left is removed
    """

    formats: tuple[Format, ...] = ("parquet",)
    names: Names = "column"
    keep_versions: int = 3
    reuse_unchanged: bool = True
    missing_ok: bool = False
    temporary_folder: str | None = None
    lease_seconds: float = 20.0

    def __post_init__(self) -> None:
        unknown = [one for one in self.formats if one not in get_args(Format)]
        if unknown or "parquet" not in self.formats:
            raise ConfigurationError(
                f"formats is {list(self.formats)}: write ['parquet'], or ['parquet', 'hyper'] for Tableau extracts as well"
            )
        if self.names not in get_args(Names):
            raise ConfigurationError(f"names is {self.names!r}: write 'column' or 'property'")
        if self.keep_versions < 0:
            raise ConfigurationError(f"keep_versions is {self.keep_versions}: write a whole number >= 0")
        if self.lease_seconds <= 0:
            raise ConfigurationError(f"lease_seconds is {self.lease_seconds}: write a number > 0")
