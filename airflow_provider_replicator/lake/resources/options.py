# SPDX-License-Identifier: Apache-2.0
"""What a user can choose, as frozen value objects. Checked once, where they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from airflow_provider_replicator.cdf.options import DEFAULT_OVERLAP_MS, Mode, RawOptions, Selection
from airflow_provider_replicator.cdf.options import Options as ReadOptions
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.columns import Kind
from airflow_provider_replicator.lake.resources.declared import classic_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.core.window import Window
    from airflow_provider_replicator.lake.table import OnSchemaChange

OnMisfit = Literal["fail", "rescue"]
#: Rows of one merge: about 200 MB of memory. Fewer, larger merges are faster, because each may rewrite many files.
ROWS_PER_COMMIT = 200_000
#: What a column of raw can be declared as.
_RAW_KINDS = tuple(kind for kind in get_args(Kind) if kind not in ("reference", "map"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingOptions:
    """Choices common to resources and raw rows.

    ``on_misfit``: a row with a value that does not fit its column is a dead letter (``fail``), or is kept, with the value as JSON in
    the column ``_rescued`` (``rescue``). ``max_delete_fraction``: a full run that would take more than this share of the rows from a
    table changes nothing and fails. ``rows_per_commit``: rows of one merge, which bounds the memory of a run with a window.
    """

    mode: Mode = "full"
    window: Window | None = None
    dry_run: bool = False
    overlap_ms: int = DEFAULT_OVERLAP_MS
    dead_letter_path: str | None = None
    max_failed: int = 0
    on_misfit: OnMisfit = "fail"
    on_schema_change: OnSchemaChange = "evolve"
    max_delete_fraction: float = 0.1
    rows_per_commit: int = ROWS_PER_COMMIT

    def __post_init__(self) -> None:
        self.reading()
        for name, known in (("on_misfit", get_args(OnMisfit)), ("on_schema_change", ("evolve", "freeze"))):
            if getattr(self, name) not in known:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}: write {' or '.join(map(repr, known))}")
        if self.rows_per_commit < 1:
            raise ConfigurationError(f"rows_per_commit is {self.rows_per_commit}: write a number >= 1")

    def reading(self) -> ReadOptions:
        """What the reading side has to know."""
        return ReadOptions(**self._common())

    def _common(self) -> dict[str, Any]:
        names = ("mode", "window", "overlap_ms", "max_failed", "max_delete_fraction")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceOptions(LandingOptions):
    """Choices for one resource type. ``aggregates`` (assets only): also ``childCount``, ``depth`` and ``path``."""

    resource: str
    selection: Selection = field(default_factory=Selection)
    aggregates: bool = False

    def __post_init__(self) -> None:
        LandingOptions.__post_init__(self)
        listing = classic_table(self.resource).listing
        if self.selection.asset_subtree_external_ids is not None and not listing.subtree_filter:
            raise ConfigurationError(
                f"{self.resource} belong to no asset: leave out asset_subtree_external_ids, or select by data set or prefix"
            )
        if self.aggregates and not listing.parent:
            raise ConfigurationError(f"aggregates are those of assets; {self.resource} have none")

    def reading(self) -> ReadOptions:
        return ReadOptions(**self._common(), selection=self.selection)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTableOptions(LandingOptions):
    """Choices for raw. ``databases`` and ``tables`` are names or shell wildcards, ``tables`` as ``table`` or ``database/table``.

    ``schema`` declares columns, name -> kind; or, for different ones per table, wildcard of ``database/table`` -> (name -> kind).
    """

    databases: tuple[str, ...] | None = None
    tables: tuple[str, ...] | None = None
    exclude_pattern: str | None = None
    schema: Mapping[str, Kind | Mapping[str, Kind]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        LandingOptions.__post_init__(self)
        for pattern, columns in self.patterns():
            for name, kind in columns.items():
                if kind not in _RAW_KINDS:
                    raise ConfigurationError(
                        f"schema: {name!r} of {pattern!r} is {kind!r}: write one of {', '.join(_RAW_KINDS)}"
                    )

    def patterns(self) -> list[tuple[str, Mapping[str, Kind]]]:
        """The declared columns by wildcard of ``database/table``."""
        by_table = [isinstance(value, dict) for value in self.schema.values()]
        if not any(by_table):
            return [("*", cast("Mapping[str, Kind]", self.schema))] if self.schema else []
        if not all(by_table):
            raise ConfigurationError("schema: either columns (name: kind), or tables (database/table: {name: kind})")
        return list(cast("Mapping[str, Mapping[str, Kind]]", self.schema).items())

    def reading(self) -> RawOptions:
        return RawOptions(
            **self._common(),
            databases=self.databases,
            tables=self.tables,
            selection=Selection(exclude_pattern=self.exclude_pattern),
        )
