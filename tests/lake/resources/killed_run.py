# SPDX-License-Identifier: Apache-2.0
"""A process that brings a resource or raw into a folder and kills itself at a given moment:
``python -m tests.lake.resources.killed_run URL TOKEN PROJECT ROOT KIND MODE MOMENT``.

A moment is the so-many-th time that something happens: ``before:2`` (a commit), ``after:1`` (a commit), ``page:3`` (a page read),
``created:1`` (the table was made).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf import listing
from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.raw import copy as raw_copy
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.lake.location import Lake
from airflow_provider_replicator.lake.resources.classic import resource_to_delta
from airflow_provider_replicator.lake.resources.decode import Decoder
from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
from airflow_provider_replicator.lake.resources.raw import raw_to_delta
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

happened: Counter[str] = Counter()


def reach(what: str, moment: str) -> None:
    happened[what] += 1
    if moment == f"{what}:{happened[what]}":
        os.kill(os.getpid(), signal.SIGKILL)


def watch(moment: str) -> None:
    committing, create, rows = Table.committing, Table._create, Decoder.rows

    @contextmanager
    def watched(self: Table, *args: Any) -> Iterator[None]:
        reach("before", moment)
        with committing(self, *args):
            yield
        reach("after", moment)

    def created(self: Table, *args: Any) -> Any:
        handle = create(self, *args)
        reach("created", moment)
        return handle

    def page(self: Decoder, documents: Any) -> Any:
        reach("page", moment)
        return rows(self, documents)

    setattr(Table, "committing", watched)  # noqa: B010 - for mypy
    setattr(Table, "_create", created)  # noqa: B010
    setattr(Decoder, "rows", page)  # noqa: B010


async def main(url: str, token: str, project: str, root: str, kind: str, mode: str, moment: str) -> None:
    listing.PAGE = raw_copy.PAGE = 20
    watch(moment)
    common: Any = {"max_delete_fraction": 1, "rows_per_commit": 30}
    if mode == "window":
        common |= {"mode": "window", "window": Window(0, 4_000_000_000_000)}
    async with CdfClient(AiohttpTransport(url, project, StaticToken(token)), project=project) as source:
        if kind == "raw":
            await raw_to_delta(source=source, lake=Lake(root), options=RawTableOptions(**common))
        else:
            await resource_to_delta(source=source, lake=Lake(root), options=ResourceOptions(resource=kind, **common))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
