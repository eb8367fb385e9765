# SPDX-License-Identifier: Apache-2.0
"""Which part of a database was replicated, in the words of a replication document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Selecting(Protocol):
    """What has the fields of a replication document that select: its options, for one."""

    @property
    def selector(self) -> Mapping[str, Any] | None: ...
    @property
    def doc_ids(self) -> Sequence[str] | None: ...
    @property
    def filter(self) -> str | None: ...
    @property
    def query_params(self) -> Mapping[str, str] | None: ...
    @property
    def winning_revs_only(self) -> bool | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The same document goes through the same sieve as in the replication: one of ``selector`` (Mango), ``doc_ids`` (plain, not
    escaped) and ``filter`` (``ddoc/name``, with ``query_params``), or none of them. ``winning_revs_only``: without conflicts.
    """

    selector: Mapping[str, Any] | None = None
    doc_ids: tuple[str, ...] | None = None
    filter: str | None = None
    query_params: Mapping[str, str] = field(default_factory=dict)
    winning_revs_only: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("selector", "doc_ids", "filter") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigurationError(f"{' and '.join(given)} do not go together: write one of them")
        if self.query_params and self.filter is None:
            raise ConfigurationError(
                "query_params are for a filter: write filter='ddoc/name' as well, or leave them out"
            )

    @classmethod
    def of(cls, options: Selecting) -> Self:
        """What a replication with these options selects."""
        return cls(
            selector=options.selector,
            doc_ids=None if options.doc_ids is None else tuple(options.doc_ids),
            filter=options.filter,
            query_params=dict(options.query_params or {}),
            winning_revs_only=bool(options.winning_revs_only),
        )

    @property
    def is_everything(self) -> bool:
        """Whether no document is left out (conflicting revisions may be)."""
        return self.selector is None and self.doc_ids is None and self.filter is None
