# SPDX-License-Identifier: Apache-2.0
"""Points into the target: few requests, every point accounted for, one bad point alone to blame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_replicator.cdf.datapoints import plan
from airflow_provider_replicator.cdf.objects.breaker import Breaker
from airflow_provider_replicator.cdf.protobuf.columns import decode
from airflow_provider_replicator.cdf.protobuf.points import split, summary
from airflow_provider_replicator.cdf.protobuf.wire import insertion_request
from airflow_provider_replicator.exceptions import CdfRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_replicator.cdf.datapoints.series import Series
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.protobuf.wire import Buffer
    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report

#: Bytes of one request. Pages of strings are kept below this when they are read.
MAX_BODY = 8 << 20
#: Refusals that are looked into within one batch. What is then still refused becomes dead letters in larger parts.
_SPLITS = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """``count`` points of a series, as records."""

    series: Series
    payload: Buffer
    count: int


class Sink(Protocol):
    """Where the pieces of a run go."""

    async def write(self, pieces: Sequence[Piece]) -> None:
        """Take these now."""

    async def add(self, pieces: Sequence[Piece], done: Callable[[], None]) -> None:
        """Take these now or with others, later. ``done`` is called when they are written."""

    async def flush(self) -> None:
        """Write what waits."""


class PointWriter:
    """Inserts pieces. Idempotent: a point that is written twice is there once, so unknown outcomes are simply tried again.

    After a crash some of the pieces that were not acknowledged may be in the target.
    """

    def __init__(self, target: CdfClient, report: Report, letters: DeadLetters, *, dry_run: bool = False) -> None:
        self._target = target
        self._report = report
        self._letters = letters
        self._dry_run = dry_run
        self._waiting: list[tuple[list[Piece], Callable[[], None]]] = []
        self._points = self._bytes = self._items = 0
        self._breaker = Breaker()

    async def write(self, pieces: Sequence[Piece]) -> None:
        """Insert now. When this returns, every point is in the target or a dead letter."""
        for batch in batches(pieces):
            await self._insert(batch)

    async def add(self, pieces: Sequence[Piece], done: Callable[[], None]) -> None:
        """Insert now what is worth a request, and a small rest together with others, later. ``done`` is called when all is done."""
        *requests, rest = list(batches(pieces)) or [[]]
        if _is_worth_sending(rest):
            requests, rest = [*requests, rest], []
        for request in requests:
            await self._insert(request)
        if rest:
            await self._wait_for_company(rest, done)
        else:
            done()

    async def _wait_for_company(self, pieces: Sequence[Piece], done: Callable[[], None]) -> None:
        points, size = _points(pieces), _bytes(pieces)
        full = (
            self._points + points > plan.MAX_POINTS
            or self._items + len(pieces) > plan.MAX_INSERT_ITEMS
            or self._bytes + size > MAX_BODY
        )
        taken = self._take() if full else []
        # A small slice would keep the whole answer that it was cut from.
        kept = [Piece(piece.series, bytes(piece.payload), piece.count) for piece in pieces]
        self._waiting.append((kept, done))
        self._points, self._bytes, self._items = self._points + points, self._bytes + size, self._items + len(pieces)
        await self._write_taken(taken)

    async def flush(self) -> None:
        """Insert what waits."""
        await self._write_taken(self._take())

    def _take(self) -> list[tuple[list[Piece], Callable[[], None]]]:
        taken, self._waiting = self._waiting, []
        self._points = self._bytes = self._items = 0
        return taken

    async def _write_taken(self, taken: list[tuple[list[Piece], Callable[[], None]]]) -> None:
        await self.write([piece for pieces, _ in taken for piece in pieces])
        for _, done in taken:
            done()

    async def _insert(self, pieces: Sequence[Piece]) -> None:
        if self._dry_run:
            self._report.written += _points(pieces)
            return
        attempt = _Attempt()
        await self._send(pieces, attempt)
        if attempt.accepted or not attempt.refused:
            self._breaker.passed()
        else:
            self._breaker.refused(attempt.reason, _points(pieces))

    async def _send(self, pieces: Sequence[Piece], attempt: _Attempt) -> None:
        try:
            await self._target.post_protobuf("/timeseries/data", _body(pieces))
        except CdfRequestError as error:
            attempt.refused += 1
            attempt.reason = error.message
            for part in self._parts(pieces, error, attempt):
                await self._send(part, attempt)
            return
        attempt.accepted += 1
        self._report.written += _points(pieces)

    def _parts(self, pieces: Sequence[Piece], error: CdfRequestError, attempt: _Attempt) -> Iterator[Sequence[Piece]]:
        """What of a refused request to try again, in smaller requests. The rest is a dead letter."""
        missing = [piece for piece in pieces if piece.series.reference in error.missing]
        if missing:
            for piece in missing:
                self._dead_letter(piece, "the series is not in the target any more")
            rest = [piece for piece in pieces if piece not in missing]
            if rest:
                yield rest
        elif len(pieces) > 1:
            middle = len(pieces) // 2
            yield pieces[:middle]
            yield pieces[middle:]
        elif pieces[0].count > 1 and (attempt.refused <= _SPLITS or error.status == 413):
            for half in split(pieces[0].payload):
                yield [Piece(pieces[0].series, half, summary(half, pieces[0].series.kind).count)]
        else:
            self._dead_letter(pieces[0], error.message)

    def _dead_letter(self, piece: Piece, reason: str) -> None:
        kind = piece.series.kind
        bounds = summary(piece.payload, kind)
        where = f"{piece.series.key} at {bounds.first}" + (
            f" to {bounds.last} ({piece.count} points)" if piece.count > 1 else ""
        )
        self._letters.add("datapoints", where, {**piece.series.reference, "datapoints": _json_points(piece)}, reason)
        self._report.failed += piece.count - 1  # the letter counts one; failed, like read and written, counts points


@dataclass(slots=True)
class _Attempt:
    accepted: int = 0
    refused: int = 0
    reason: str = ""


def _points(pieces: Iterable[Piece]) -> int:
    return sum(piece.count for piece in pieces)


def _bytes(pieces: Iterable[Piece]) -> int:
    return sum(len(piece.payload) for piece in pieces)


def _is_worth_sending(pieces: Sequence[Piece]) -> bool:
    """A request of half of what the API allows, or more."""
    return 2 * _points(pieces) >= plan.MAX_POINTS or 2 * _bytes(pieces) >= MAX_BODY


def batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """The pieces in requests within the API's limits, in order."""
    batch: list[Piece] = []
    points = size = 0
    for piece in pieces:
        if not piece.count:
            continue
        full = (
            points + piece.count > plan.MAX_POINTS
            or len(batch) >= plan.MAX_INSERT_ITEMS
            or size + len(piece.payload) > MAX_BODY
        )
        if batch and full:
            yield batch
            batch, points, size = [], 0, 0
        batch.append(piece)
        points, size = points + piece.count, size + len(piece.payload)
    if batch:
        yield batch


def _body(pieces: Iterable[Piece]) -> bytes:
    """One item per series: the API refuses a request that names one twice."""
    together: dict[Series, list[Buffer]] = {}
    for piece in pieces:
        together.setdefault(piece.series, []).append(piece.payload)
    return insertion_request((series.identifier, series.kind, payloads) for series, payloads in together.items())


def _json_points(piece: Piece) -> list[dict[str, Any]]:
    """The points as the JSON endpoint takes them, so that a dead letter can be sent again."""
    points = decode(piece.payload, piece.series.kind)
    columns = zip(
        points.timestamps.tolist(), points.values.tolist(), points.codes.tolist(), points.nulls.tolist(), strict=True
    )
    return [
        {
            "timestamp": stamp,
            **({} if null else {"value": _json(value)}),
            **({"status": {"code": code}} if code else {}),
        }
        for stamp, value, code, null in columns
    ]


def _json(value: Any) -> Any:
    """JSON has no word for what only bad points may hold; the API takes these."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
