# SPDX-License-Identifier: Apache-2.0
"""Chains of pages: while one page is written, the next is read. How a lane ends is how far its series are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.datapoints.pages import next_request, read_page
from airflow_provider_replicator.cdf.datapoints.write import Piece
from airflow_provider_replicator.cdf.tasks import both

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.datapoints.checkpoint import Unit
    from airflow_provider_replicator.cdf.datapoints.jobs import Job
    from airflow_provider_replicator.cdf.datapoints.pages import Page
    from airflow_provider_replicator.cdf.datapoints.run import Reading

    Asked = Sequence[tuple[Job, int]]


async def relay(run: Reading, jobs: Sequence[Job], unit: Unit, *, at_once: bool = False) -> None:
    """Copy the points of these jobs without looking at the target, one job after the other. ``at_once``: on return everything is
    written; else a small rest may wait for company.
    """
    async with run.lanes:
        kept: list[list[Piece]] = []
        asked, waiting = next_request(jobs)
        page = await read_page(run, asked)
        while True:
            pieces = _to_write(asked, page, kept)
            waiting = [*page.more, *waiting]
            if not waiting:
                break
            asked, waiting = next_request(waiting)
            _, page = await both(run.writer.write(pieces), read_page(run, asked))
        if kept or at_once:
            await run.writer.write(pieces)
            # The very first page of each after its second: together they may be too much for one request.
            for age in range(max(map(len, kept), default=0), 0, -1):
                await run.writer.write([ours[age - 1] for ours in kept if len(ours) >= age])
        else:
            await run.writer.add(pieces, run.progressed.writing(unit))


def _to_write(asked: Asked, page: Page, kept: list[list[Piece]]) -> list[Piece]:
    """The pieces to write now, each after what its job held. The oldest ones of jobs that want these written last go to ``kept``."""
    unfinished = set(map(id, page.more))
    pieces: list[Piece] = []
    fresh: dict[int, list[Piece]] = {}
    for job, piece in page.pieces:
        fresh.setdefault(id(job), []).append(piece)
    for job, _ in asked:
        ours = [*job.held, *fresh.get(id(job), ())]
        job.held = []
        if job.oldest_last and (id(job) in unfinished or len(ours) > 1):
            kept.append(ours)
        else:
            pieces.extend(ours)
        job.oldest_last = False  # its next pages are not the oldest
    return pieces


async def probe(run: Reading, jobs: Sequence[Job], unit: Unit) -> list[Job]:
    """One request for the first points of up to 100 series: often it is all. The jobs that have more come back, with these points
    held.
    """
    async with run.lanes:
        page = await read_page(run, next_request(jobs)[0])
        unfinished = set(map(id, page.more))
        for job, piece in page.pieces:
            if id(job) in unfinished:
                job.held.append(Piece(piece.series, bytes(piece.payload), piece.count))
        pieces = [piece for job, piece in page.pieces if id(job) not in unfinished]
        await run.writer.add(pieces, run.progressed.writing(unit))
        return page.more


async def relay_first(run: Reading, jobs: Sequence[Job], unit: Unit) -> list[Job]:
    """Copy the first page of up to 100 series in one request. The jobs that have more come back."""
    async with run.lanes:
        page = await read_page(run, next_request(jobs)[0])
        unfinished = set(map(id, page.more))
        now, later = [], []
        for job, piece in page.pieces:
            if id(job) not in unfinished:
                later.append(piece)
            elif job.oldest_last:
                job.held.append(Piece(piece.series, bytes(piece.payload), piece.count))
            else:
                now.append(piece)
        await run.writer.write(now)
        await run.writer.add(later, run.progressed.writing(unit))
        return page.more
