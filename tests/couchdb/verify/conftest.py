# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.couchdb.fixtures import couch, pouch
from tests.couchdb.verify.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.couchdb.connection import CouchConnection


__all__ = ["couch", "pouch"]


@pytest.fixture
def pair(couch: CouchConnection) -> Iterator[Pair]:
    """Two new databases, whose names have to be escaped."""
    made = Pair(couch, *_names())
    made.create()
    yield made
    made.drop()


@pytest.fixture
def pouch_pair(pouch: CouchConnection) -> Iterator[Pair]:
    """The same on PouchDB."""
    made = Pair(pouch, *_names())
    made.create()
    yield made
    made.drop()


def _names() -> list[str]:
    return [f"verify/{side}+{uuid.uuid4().hex[:8]}" for side in ("source", "target")]
