# SPDX-License-Identifier: Apache-2.0
"""What a job has done so far: cumulative over its checkpoints, not over one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

#: the names in ``info`` that are others than those in checkpoints
_SHOWN = {"missing_checked": "revisions_checked", "missing_found": "missing_revisions_found"}


@dataclass(frozen=True, slots=True)
class Stats:
    """The names are those in the history of a checkpoint."""

    missing_checked: int = 0
    missing_found: int = 0
    docs_read: int = 0
    docs_written: int = 0
    doc_write_failures: int = 0
    bulk_get_docs: int = 0
    bulk_get_attempts: int = 0

    @classmethod
    def from_history(cls, entry: Mapping[str, Any]) -> Stats:
        return cls(*(_count(entry.get(name)) for name in _NAMES))

    @classmethod
    def from_info(cls, info: Mapping[str, Any] | None) -> Stats:
        return cls(*(_count((info or {}).get(_SHOWN.get(name, name))) for name in _NAMES))

    def __add__(self, other: Stats) -> Stats:
        return Stats(*(getattr(self, name) + getattr(other, name) for name in _NAMES))

    def at_least(self, other: Stats) -> Stats:
        return Stats(*(max(getattr(self, name), getattr(other, name)) for name in _NAMES))

    def history(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in _NAMES}

    def info(self, *, changes_pending: int | None, checkpointed: str) -> dict[str, Any]:
        return {
            "revisions_checked": self.missing_checked,
            "missing_revisions_found": self.missing_found,
            "docs_read": self.docs_read,
            "docs_written": self.docs_written,
            "changes_pending": changes_pending,
            "doc_write_failures": self.doc_write_failures,
            "bulk_get_docs": self.bulk_get_docs,
            "bulk_get_attempts": self.bulk_get_attempts,
            "checkpointed_source_seq": checkpointed,
        }


_NAMES = tuple(one.name for one in fields(Stats))


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
