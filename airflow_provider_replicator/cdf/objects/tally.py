# SPDX-License-Identifier: Apache-2.0
"""The counts of one page. They reach the report when the page is done, so that a page which is read again is not counted twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.report import MAX_DEAD_LETTERS

if TYPE_CHECKING:
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report

_COUNTS = ("read", "created", "updated", "unchanged", "deleted", "unlinked", "without_provenance")


@dataclass(slots=True)
class Tally:
    """What happened to the objects of one page. ``letters``: key, document, reason of each that could not be copied."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    unlinked: int = 0
    without_provenance: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    letters: list[tuple[str, Any, str]] = field(default_factory=list)

    def skip(self, reason: str, count: int = 1) -> None:
        if count:
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def fail(self, key: str, document: Any, reason: str) -> None:
        self.letters.append((key, document, reason))

    def merge(self, other: Tally) -> None:
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in other.skipped.items():
            self.skip(reason, count)
        self.letters += other.letters

    def add_to(self, report: Report, letters: DeadLetters) -> None:
        """Count everything in the report, and write the dead letters."""
        for name in _COUNTS:
            setattr(report, name, getattr(report, name) + getattr(self, name))
        for reason, count in self.skipped.items():
            report.skip(reason, count)
        for key, document, reason in self.letters:
            letters.add(report.resource, key, document, reason)


@dataclass(slots=True)
class Totals:
    """The sum of the tallies of all pages that a checkpoint covers, as JSON."""

    counts: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    dead_letters: list[tuple[str, str]] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        for name in _COUNTS:
            self.counts[name] = self.counts.get(name, 0) + getattr(tally, name)
        for reason, count in tally.skipped.items():
            self.skipped[reason] = self.skipped.get(reason, 0) + count
        self.failed += len(tally.letters)
        room = MAX_DEAD_LETTERS - len(self.dead_letters)
        self.dead_letters += [(key, reason) for key, _, reason in tally.letters[:room]]

    def as_dict(self) -> dict[str, Any]:
        return {
            "counts": self.counts,
            "skipped": self.skipped,
            "failed": self.failed,
            "dead_letters": [list(letter) for letter in self.dead_letters],
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Totals:
        letters = [(str(key), str(reason)) for key, reason in saved["dead_letters"]]
        return cls(dict(saved["counts"]), dict(saved["skipped"]), int(saved["failed"]), letters)

    def add_to(self, report: Report) -> None:
        """What an earlier try of the same run did. Its dead letters are in the file already."""
        for name, count in self.counts.items():
            setattr(report, name, getattr(report, name) + count)
        for reason, count in self.skipped.items():
            report.skip(reason, count)
        for key, reason in self.dead_letters:
            report.dead_letter(key, reason)
        report.failed += self.failed - len(self.dead_letters)
