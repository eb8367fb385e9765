# SPDX-License-Identifier: Apache-2.0
"""Another implementation: sequences are numbers, nothing says what is pending, a limit of 0 gives a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.verify.run import verify
from airflow_provider_replicator.couchdb.verify.selection import Selection

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.verify.report import VerifyReport
    from tests.couchdb.verify.pair import Pair


def test_revisions(pouch_pair: Pair) -> None:
    pair = pouch_pair
    revs = pair.numbers(12)
    pair.put({"_id": "d0001", "_rev": "1-branch", "n": -1})
    pair.write({"_id": "d0002", "_rev": revs["d0002"], "_deleted": True})
    pair.replicate()
    for page_size in (4, 2000):
        report = pair.verify(page_size=page_size)
        assert report.ok
        assert (report.documents, report.revisions, report.conflicts, report.tombstones) == (12, 13, 1, 1)
    pair.write({"_id": "ünï/cödé"}, {"_id": "plus+x"})
    assert set(pair.verify(page_size=4).missing_ids) == {"ünï/cödé", "plus+x"}
    assert pair.verify(selection=Selection(doc_ids=("plus+x", "d0001"))).missing_ids == ("plus+x",)


def test_pending_and_counts(pouch_pair: Pair) -> None:
    pair = pouch_pair
    pair.numbers(5)
    since = pair.update_seq()
    assert pair.verify(level="pending", since=since).ok
    pair.numbers(3, first=5)
    assert pair.verify(level="pending", since=since, page_size=2).pending == 3
    assert not pair.verify(level="counts").ok
    pair.replicate()
    assert pair.verify(level="counts").ok


def test_bodies(pouch_pair: Pair) -> None:
    pair = pouch_pair
    revs = pair.numbers(5)
    pair.replicate(skip={("d0002", "")})
    pair.put({"_id": "d0002", "_rev": revs["d0002"], "n": "other"}, database=pair.target)
    report = pair.verify(level="bodies", sample=None)
    assert (report.compared, report.different_ids) == (5, ("d0002",))


def test_between_two_implementations(pair: Pair, pouch_pair: Pair) -> None:
    """From CouchDB into PouchDB, with numbers and attachments that each writes in its own way."""
    text = {"content_type": "text/plain", "data": "dGV4dA=="}
    pair.write(
        {"_id": "numbers", "n": [1.0, 2.5, 1e3, -0.0], "t": True, "none": None, "ü": "ö"},
        {"_id": "with", "_attachments": {"a.txt": text}},
    )
    page = pair.run(lambda client: databases.changes(client, pair.source))
    wanted = [{"id": row["id"], "rev": row["changes"][0]["rev"]} for row in page.rows]
    results = pair.run(lambda client: databases.bulk_get(client, pair.source, wanted, revs=True, attachments=True))
    pouch_pair.put(*(one["ok"] for result in results for one in result["docs"]), database=pouch_pair.target)
    report = _across(pair, pouch_pair)
    assert report.ok, report.message
    assert report.compared == 2


def _across(pair: Pair, pouch_pair: Pair) -> VerifyReport:
    with pair.connection.blocking() as there, pouch_pair.connection.blocking() as here:
        return run(verify(there, pair.source, here, pouch_pair.target, level="bodies", sample=None))
