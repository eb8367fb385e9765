# SPDX-License-Identifier: Apache-2.0
"""The two cheap looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.couchdb.verify.selection import Selection
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from tests.couchdb.verify.pair import Pair


def test_counts(pair: Pair) -> None:
    revs = pair.numbers(5)
    pair.write({"_id": "d0001", "_rev": revs["d0001"], "_deleted": True})
    pair.replicate()
    report = pair.verify(level="counts")
    assert report.ok
    assert report.counts == {side: {"docs": 4, "deleted": 1} for side in ("source", "target")}
    assert sum(report.requests.values()) == 2
    pair.write({"_id": "more"}, database=pair.target)
    report = pair.verify(level="counts")
    assert not report.ok
    assert "4 documents, the target 5" in report.message
    assert "level='revisions'" in report.message


def test_counts_are_of_whole_databases(pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="whole databases"):
        pair.verify(level="counts", selection=Selection(doc_ids=("a",)))
    with pytest.raises(ConfigurationError, match="whole databases"):
        pair.verify(level="counts", since="1-abc")


def test_pending(pair: Pair) -> None:
    pair.numbers(5)
    since = pair.update_seq()
    report = pair.verify(level="pending", since=since)
    assert report.ok
    assert report.pending == 0
    assert sum(report.requests.values()) == 1
    pair.numbers(3, first=5)
    report = pair.verify(level="pending", since=since)
    assert not report.ok
    assert report.pending == 3
    assert "3 changes" in report.message


def test_pending_of_a_part(pair: Pair) -> None:
    since = pair.update_seq()
    pair.numbers(10)
    for selection in (Selection(selector={"n": {"$lt": 4}}), Selection(doc_ids=("d0001", "d0002", "d0003", "d0004"))):
        assert pair.verify(level="pending", since=since, selection=selection, page_size=3).pending == 4
    assert pair.verify(level="pending", since=since, selection=Selection(selector={"n": 99})).ok


def test_pending_since_when(pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="checkpointed_source_seq"):
        pair.verify(level="pending")


def test_unknown_levels(pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="level is 'all': write one of counts, pending, revisions, bodies"):
        pair.verify(level="all")


def test_selections_that_do_not_go_together() -> None:
    with pytest.raises(ConfigurationError, match="selector and doc_ids"):
        Selection(selector={}, doc_ids=())
    with pytest.raises(ConfigurationError, match="query_params are for a filter"):
        Selection(query_params={"a": "b"})
