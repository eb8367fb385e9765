# SPDX-License-Identifier: Apache-2.0
"""``since_seq``, which means something else from CouchDB 3.5.2 on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.couchdb.client import Database

if TYPE_CHECKING:
    from tests.contract.couchdb.jobs import Jobs
    from tests.contract.couchdb.server import Server

pytestmark = pytest.mark.servers("sandbox", "sandbox 3.5.2", "real")


@pytest.fixture
def part_of_the_id(server: Server) -> bool:
    return server.version() >= (3, 5, 2)


@pytest.fixture
def seq(db: Database) -> str:
    """After the first 20 of 30 documents."""
    db.fill(20)
    found: str = db.changes()["last_seq"]
    db.fill(10, start=20)
    return found


def test_a_window_and_then_everything(
    jobs: Jobs, db: Database, target: Database, seq: str, part_of_the_id: bool
) -> None:
    assert jobs.run(db, target, since_seq=seq)["docs_written"] == 10
    assert target.get()["doc_count"] == 10
    everything = jobs.run(db, target)
    assert everything["checkpointed_source_seq"].startswith("30-")
    if part_of_the_id:
        assert target.get()["doc_count"] == 30
        assert everything["revisions_checked"] == 30
        assert len(target.local()) == 2
    else:
        assert target.get()["doc_count"] == 10, "the window has moved the one checkpoint there is"
        assert len(target.local()) == 1


def test_a_window_without_checkpoints_harms_nobody(jobs: Jobs, db: Database, target: Database, seq: str) -> None:
    jobs.run(db, target, since_seq=seq, use_checkpoints=False)
    assert target.get()["doc_count"] == 10
    assert target.local() == {}
    jobs.run(db, target)
    assert target.get()["doc_count"] == 30


def test_the_same_window_twice(jobs: Jobs, db: Database, target: Database, seq: str, part_of_the_id: bool) -> None:
    jobs.run(db, target, since_seq=seq)
    checked = jobs.run(db, target, since_seq=seq)["revisions_checked"]
    assert checked == (10 if part_of_the_id else 20), "whether a checkpoint wins or the sequence does"


def test_from_the_beginning_without_checkpoints_repairs(jobs: Jobs, db: Database, target: Database) -> None:
    db.fill(8)
    jobs.run(db, target)
    rev = target.get("d0003")["_rev"]
    purged = target.post("_purge", json={"d0003": [rev]})
    assert purged["purged"] == {"d0003": [rev]}
    jobs.run(db, target)
    assert target.get()["doc_count"] == 7, "it is behind the checkpoint"
    jobs.run(db, target, since_seq="0", use_checkpoints=False)
    assert target.get()["doc_count"] == 8
