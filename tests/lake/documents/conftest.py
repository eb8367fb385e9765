# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.couchdb.fixtures import couch, pouch
from tests.lake.documents.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.lake.location import Lake


__all__ = ["couch", "pouch"]


@pytest.fixture
def pouch_world(pouch: CouchConnection, local_lake: Lake) -> World:
    """The same on PouchDB."""
    made = World(pouch, f"lake-{uuid.uuid4().hex[:8]}", local_lake)
    made.create()
    return made


@pytest.fixture
def world_in(couch: CouchConnection) -> Iterator[Callable[[Lake], World]]:
    """Makes a new database, to be replicated into a lake."""
    made: list[World] = []

    def make(lake: Lake) -> World:
        made.append(World(couch, f"lake/{uuid.uuid4().hex[:8]}", lake))
        made[-1].create()
        return made[-1]

    yield make
    for world in made:
        world.drop()


@pytest.fixture
def world(world_in: Callable[[Lake], World], local_lake: Lake) -> World:
    """A new database, and an empty lake in a folder."""
    return world_in(local_lake)
