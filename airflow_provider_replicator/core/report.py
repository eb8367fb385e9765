# SPDX-License-Identifier: Apache-2.0
"""What a task returns: counts, never data. As JSON it stays under 4 KB, so that it fits any XCom backend."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_replicator.core.window import Window

#: Dead letters named in a report. The rest are only counted (``failed``) and, with ``dead_letter_path``, in the file.
MAX_DEAD_LETTERS = 20
#: Characters of one dead letter in a report: 20 of them stay well under 4 KB.
DEAD_LETTER_CHARS = 140


@dataclass(slots=True)
class Report:
    """Counts of one task. Objects use created/updated/unchanged; streams (datapoints, rows) use ``written``.

    ``bytes`` counts bodies received from the source and sent to the target, uncompressed. ``seconds`` is wall time.
    """

    resource: str
    source: str
    target: str
    mode: str
    window: Window | None = None
    dry_run: bool = False
    read: int = 0
    written: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    unlinked: int = 0
    without_provenance: int = 0
    failed: int = 0
    dead_letters: list[str] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=lambda: {"source": 0, "target": 0})
    bytes: int = 0
    resumed: bool = False
    #: Delta tables that were written: ``{"table": path, "written": rows, "deleted": rows, "version": Delta's}``.
    tables: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)

    def skip(self, reason: str, count: int = 1) -> None:
        """Count objects that were left out on purpose, by reason."""
        if count:
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def dead_letter(self, key: str, reason: str) -> None:
        """Count one object that could not be copied; the first 20 are named."""
        self.failed += 1
        if len(self.dead_letters) < MAX_DEAD_LETTERS:
            text = f"{key}: {reason}"
            self.dead_letters.append(text if len(text) <= DEAD_LETTER_CHARS else text[: DEAD_LETTER_CHARS - 1] + "…")

    def wrote(self, table: str, *, written: int = 0, deleted: int = 0, version: int | None = None) -> None:
        """Count what was written to a Delta table (a path below the lake's root), also in the sums."""
        self.written += written
        self.deleted += deleted
        self.tables.append({"table": table, "written": written, "deleted": deleted, "version": version})

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values, in a stable order of keys. ``tables`` is there only where tables were written."""
        window = self.window
        values: dict[str, Any] = {
            "resource": self.resource,
            "source": self.source,
            "target": self.target,
            "mode": self.mode,
            "window": window.as_dict() if window else None,
            "dry_run": self.dry_run,
            "read": self.read,
            "written": self.written,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "skipped": dict(sorted(self.skipped.items())),
            "unlinked": self.unlinked,
            "without_provenance": self.without_provenance,
            "failed": self.failed,
            "dead_letters": list(self.dead_letters),
            "requests": dict(self.requests),
            "bytes": self.bytes,
            "resumed": self.resumed,
            "seconds": round(self.seconds, 3),
        }
        return values | ({"tables": list(self.tables)} if self.tables else {})
