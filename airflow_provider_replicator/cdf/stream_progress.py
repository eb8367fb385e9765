# SPDX-License-Identifier: Apache-2.0
"""How far a stream (datapoints, rows) is: logged and saved every few seconds, with the counts so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.core.checkpoint import Checkpoint
    from airflow_provider_replicator.core.progress import Progress
    from airflow_provider_replicator.core.report import Report

#: How often progress is saved. What was done since is done again after a crash, and changes nothing.
_EVERY_MS = 5_000
_COUNTS = ("read", "written", "unchanged", "deleted", "failed")


class StreamProgress:
    """``describe`` says, as small JSON, what is done; it is asked whenever something is saved."""

    def __init__(
        self,
        report: Report,
        clock: Callable[[], int],
        checkpoint: Checkpoint | None,
        progress: Progress | None,
        describe: Callable[[], dict[str, Any]],
    ) -> None:
        self._report = report
        self._clock = clock
        self._checkpoint = checkpoint
        self._progress = progress
        self._describe = describe
        self._saved_at = clock()

    def load(self) -> dict[str, Any] | None:
        """What an earlier try of this run had done; its counts are in the report from now on. None: this is the first try."""
        state = self._checkpoint.load() if self._checkpoint else None
        if state is None:
            return None
        report = self._report
        report.resumed = True
        for name in _COUNTS:
            setattr(report, name, state["counts"][name])
        report.skipped = dict(state["skipped"])
        report.dead_letters = list(state["dead_letters"])
        done: dict[str, Any] = state["done"]
        return done

    def tick(self) -> None:
        """Log and save, if it is time. Call it after writes were acknowledged."""
        if self._progress:
            self._progress.update(self._report)
        if self._clock() - self._saved_at >= _EVERY_MS:
            self.save()

    def save(self) -> None:
        self._saved_at = self._clock()
        if self._checkpoint:
            report = self._report
            self._checkpoint.save(
                {
                    "done": self._describe(),
                    "counts": {name: getattr(report, name) for name in _COUNTS},
                    "skipped": report.skipped,
                    "dead_letters": report.dead_letters,
                }
            )

    def clear(self) -> None:
        """The run went to its end."""
        if self._checkpoint:
            self._checkpoint.clear()
