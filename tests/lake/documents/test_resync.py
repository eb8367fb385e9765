# SPDX-License-Identifier: Apache-2.0
"""When everything has to be read anew: because it is asked for, or because the database is another one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import CouchNotFoundError, LakeError
from tests.lake.documents.world import ALWAYS, NEVER, Between

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.transport import Answer, Request, Transport
    from tests.lake.documents.world import World


def test_everything_is_read_anew_when_asked_for(world: World) -> None:
    world.make(range(5))
    world.run()
    assert world.did(resync=True) == ["resync: asked for"]
    world.check()


@pytest.mark.parametrize("merge_when", [ALWAYS, NEVER], ids=["merged", "waiting"])
def test_a_database_that_was_made_again_is_read_anew(world: World, merge_when: Any) -> None:
    """What is no more is no more in the table; no tombstone tells of it."""
    world.make(range(10))
    world.run(merge_when=merge_when)
    world.make([11])
    world.run(merge_when=merge_when)
    world.make_again()
    world.make(range(5, 30))
    assert "made again" in world.did(merge_when=merge_when)[0]
    world.check()
    assert world.did(merge_when=merge_when) in ([], ["merge"])


def test_a_database_that_was_made_again_and_is_empty(world: World) -> None:
    world.make(range(10))
    world.run()
    world.make_again()
    world.run()
    assert world.rows() == []


def test_a_database_that_was_made_again_may_be_an_error(world: World) -> None:
    world.make(range(10))
    world.run(on_recreated="fail")
    world.make_again()
    world.make([1])
    with pytest.raises(LakeError, match=r"deleted and made again.*resync=True"):
        world.run(on_recreated="fail")
    assert len(world.rows()) == 10
    world.run(on_recreated="fail", resync=True)
    world.check()


def test_a_database_that_is_gone(world: World) -> None:
    world.make(range(3))
    world.run()
    world.drop()
    with pytest.raises(CouchNotFoundError):
        world.run()
    assert len(world.rows()) == 3


def test_made_again_in_the_middle_of_a_run(world: World) -> None:
    world.make(range(10))
    world.run()
    world.make(range(10, 20))

    def again() -> None:
        world.make_again()
        world.make([3])

    world.wrap = lambda inner: Between(inner, "_changes", again, skip=1)
    world.run(page_size=2)
    world.wrap = lambda inner: inner
    world.check()


def test_made_again_while_it_is_loaded(world: World) -> None:
    world.make(range(10))

    def again() -> None:
        world.make_again()
        world.make([3])

    world.wrap = lambda inner: Between(inner, "_changes", again, skip=2)
    world.run(page_size=2, commit_rows=2)
    world.wrap = lambda inner: inner
    world.check()


class Silent:
    """A transport of a server that does not tell when a database was made."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner

    async def send(self, request: Request) -> Answer:
        answer = await self.inner.send(request)
        return replace(
            answer, body=re.sub(rb'"instance_start_time": ?"\d+"', b'"instance_start_time":"0"', answer.body)
        )

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    async def close(self) -> None:
        await self.inner.close()


@pytest.mark.parametrize("number", [0, 1, 40])
def test_a_server_that_does_not_tell_when_a_database_was_made(world: World, number: int) -> None:
    """Its sequences do: they name the copies of the shards."""
    world.make(range(10))
    world.wrap = Silent
    world.run()
    world.make([11])
    assert "did" not in world.run(merge_when=NEVER).tables[0]
    world.make_again()
    world.make(range(number))
    (table,) = world.run().tables
    assert "made again" in table["did"][0]
    world.check()
