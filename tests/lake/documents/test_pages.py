# SPDX-License-Identifier: Apache-2.0
"""How much is asked for at a time, and how much memory that takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.core.page_size import PageSize
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.couchdb.transport import Answer
from airflow_provider_replicator.exceptions import CouchUnavailableError
from airflow_provider_replicator.lake.documents import asking

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.transport import Request, Transport
    from tests.lake.documents.world import World


class Overloaded:
    """A transport of a server that answers pages of more than ``most`` rows with ``status``."""

    def __init__(self, inner: Transport, most: int, status: int = 503) -> None:
        self.inner, self.most, self.status = inner, most, status
        self.limits: list[int] = []

    async def send(self, request: Request) -> Answer:
        if found := re.search(r"[?&]limit=(\d+)", request.url):
            self.limits.append(int(found[1]))
            if self.limits[-1] > self.most:
                return Answer(status=self.status, headers={}, body=b'{"error":"timeout","reason":"too much"}')
        return await self.inner.send(request)

    async def sleep(self, seconds: float) -> None:
        """Nobody waits in a test."""

    async def close(self) -> None:
        await self.inner.close()


def watched(world: World, most: int, status: int) -> list[Overloaded]:
    made: list[Overloaded] = []

    def wrap(inner: Transport) -> Transport:
        made.append(Overloaded(inner, most, status))
        return made[-1]

    world.wrap = wrap
    return made


@pytest.mark.parametrize(("status", "most"), [(503, 60), (500, 60), (413, 7)])
def test_pages_shrink_where_the_server_has_trouble(world: World, status: int, most: int) -> None:
    world.make(range(300))
    made = watched(world, most, status)
    world.run()
    assert min(made[0].limits) <= most
    assert len(made[0].limits) < 300 / min(most, 50) + 60
    world.check()


def test_a_server_that_is_out_of_order(world: World) -> None:
    from dataclasses import replace

    world.make(range(3))
    watched(world, 0, 503)
    world.connection = replace(world.connection, retry=RetryPolicy(attempts=2))
    with pytest.raises(CouchUnavailableError):
        world.run()


def test_pages_of_large_documents_are_small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_MOST_BYTES", 200_000)
    monkeypatch.setattr(asking, "_USUAL_BYTES", 100_000)
    world.make(range(100))
    world.write(*({"_id": f"large{number:02}", "text": "x" * 30_000} for number in range(30)))
    world.write({"_id": "larger", "text": "x" * 500_000})  # larger than any page may be
    world.make(range(100, 200))
    sizes = answers(world)
    world.run()
    world.check()
    assert sorted(sizes)[-2] < 200_000
    assert max(sizes) > 500_000
    assert len(sizes) < 120


def answers(world: World) -> list[int]:
    """Sizes of the answers that were read whole."""
    sizes: list[int] = []

    class Measured:
        def __init__(self, inner: Transport) -> None:
            self.inner = inner

        async def send(self, request: Request) -> Answer:
            answer = await self.inner.send(request)
            sizes.append(len(answer.body))
            return answer

        async def sleep(self, seconds: float) -> None:
            await self.inner.sleep(seconds)

        async def close(self) -> None:
            await self.inner.close()

    world.wrap = Measured
    return sizes


def test_sizes() -> None:
    size = PageSize(100, 10, first=20)
    for _ in range(40):
        size.fine()
    assert size.now == 100
    assert [size.too_much() and size.now for _ in range(5)] == [50, 25, 12, 10, False]
    assert [size.too_large() and size.now for _ in range(4)] == [5, 2, 1, False]
    for _ in range(8):
        size.fine(3)
    assert size.now == 3
    size.fine(0)
    assert size.now == 1
