# SPDX-License-Identifier: Apache-2.0
"""How far each stream of pages is written to the target, so that a killed run goes on there.

A stream is one chain of cursors (a listing, or one partition of it). Its pages are processed side by side; its position is the
cursor after the last page before which, and including which, everything is written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.objects.tally import Tally, Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.core.checkpoint import Checkpoint

#: Milliseconds between two saves.
SAVE_EVERY_MS = 3_000


@dataclass(slots=True)
class Ticket:
    """One page on its way. ``cursor`` is that of the page after it; None: it is the stream's last."""

    stream: str
    cursor: str | None
    tally: Tally = field(default_factory=Tally)
    done: bool = False


class Positions:
    """The positions of all streams of one run, and the counts of the pages before them; saved every few seconds.

    A resumed run counts exactly, except that one which had gone over to partitions may count the few pages before that twice.
    """

    def __init__(self, checkpoint: Checkpoint | None, clock: Callable[[], int]) -> None:
        self._checkpoint = checkpoint
        self._clock = clock
        self._saved_at = clock()
        self._under_way: dict[str, deque[Ticket]] = {}
        saved = (checkpoint.load() if checkpoint is not None else None) or {}
        self.resumed = bool(saved)
        #: listing -> number of partitions it is read in
        self.partitions: dict[str, int] = dict(saved.get("partitions", {}))
        #: stream -> cursor of the next page to read; "" for a stream that is done
        self.cursors: dict[str, str] = dict(saved.get("cursors", {}))
        self.totals = Totals.from_dict(saved["totals"]) if saved else Totals()

    def begin(self, stream: str, cursor: str | None) -> Ticket:
        """A page was read and goes to work."""
        ticket = Ticket(stream, cursor)
        self._under_way.setdefault(stream, deque()).append(ticket)
        return ticket

    def finish(self, ticket: Ticket) -> None:
        """Everything of a page is written."""
        ticket.done = True
        waiting = self._under_way[ticket.stream]
        while waiting and waiting[0].done:
            first = waiting.popleft()
            self.cursors[first.stream] = first.cursor or ""
            self.totals.add(first.tally)
        if self._checkpoint is not None and self._clock() - self._saved_at >= SAVE_EVERY_MS:
            self.save()

    def save(self) -> None:
        if self._checkpoint is None:
            return
        self._saved_at = self._clock()
        state: dict[str, Any] = {"partitions": self.partitions, "cursors": self.cursors}
        self._checkpoint.save({**state, "totals": self.totals.as_dict()})

    def clear(self) -> None:
        """The run is complete."""
        if self._checkpoint is not None:
            self._checkpoint.clear()
