# SPDX-License-Identifier: Apache-2.0
"""The same revision has the same content."""

from __future__ import annotations

import base64
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.couchdb.verify.bodies import Sample, same

if TYPE_CHECKING:
    from tests.couchdb.verify.pair import Doc, Pair


def attached(content: str, *, kind: str = "text/plain") -> Doc:
    return {"content_type": kind, "data": base64.b64encode(content.encode()).decode()}


def test_equal(pair: Pair) -> None:
    pair.numbers(20)
    pair.put({"_id": "d0001", "_rev": "1-branch", "n": {"a": [1, 2.5, None, True, "ü"]}})
    pair.write(
        {"_id": "with", "_attachments": {"a/b.txt": attached("text" * 100), "c": attached("x", kind="image/png")}}
    )
    pair.replicate()
    report = pair.verify(level="bodies", sample=None)
    assert report.ok
    assert report.compared == report.revisions == 22
    assert pair.verify(level="bodies", sample=5).compared in range(5, 7)  # one of the documents has two revisions
    assert pair.verify(level="bodies", sample=0).compared == 0


def different(pair: Pair, **more: Any) -> tuple[str, ...]:
    report = pair.verify(level="bodies", sample=None, **more)
    assert report.ok == (not report.different)
    return report.different_ids


@pytest.mark.parametrize("page_size", [2, 2000])
def test_another_content_under_the_same_revision(pair: Pair, page_size: int) -> None:
    revs = pair.numbers(5)
    pair.replicate(skip={("d0002", "")})
    pair.put({"_id": "d0002", "_rev": revs["d0002"], "n": "other"}, database=pair.target)
    assert pair.verify().ok
    assert different(pair, page_size=page_size) == ("d0002",)
    assert "another content" in pair.verify(level="bodies").message


@pytest.mark.parametrize(
    "other",
    [attached("text!"), attached("texT"), attached("text", kind="text/html"), None],
    ids=["size", "bytes", "kind", "none"],
)
def test_another_attachment(pair: Pair, other: Doc | None) -> None:
    (rev,) = pair.write({"_id": "with", "_attachments": {"a": attached("text")}}).values()
    attachments = {} if other is None else {"_attachments": {"a": other}}
    pair.put({"_id": "with", "_rev": rev, **attachments}, database=pair.target)
    assert pair.verify().ok
    assert different(pair) == ("with",)


def test_the_same_attachment_in_another_encoding(pair: Pair) -> None:
    """CouchDB keeps text compressed, and its digest is that of the compressed bytes."""
    text = "the same text " * 1000
    (rev,) = pair.write({"_id": "with", "_attachments": {"a": attached(text)}}).values()
    raw = pair.write({"_id": "with", "_attachments": {"a": attached(text, kind="image/png")}}, database=pair.target)
    assert raw != {"with": rev}
    pair.replicate()
    assert different(pair) == ()


def test_a_revision_that_the_target_has_replaced(pair: Pair) -> None:
    """It knows the revision, and does not keep it."""
    (rev,) = pair.numbers(1).values()
    start, digest = rev.split("-")
    newer = {"_id": "d0000", "_rev": "2-b", "n": 5, "_revisions": {"start": int(start) + 1, "ids": ["b", digest]}}
    pair.put(newer, database=pair.target)
    report = pair.verify(level="bodies")
    assert report.ok
    assert (report.compared, report.superseded) == (0, 1)
    assert "newer" in report.notes[0]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ([{"a": [True]}], [{"a": [1]}], False),
        ({}, [], False),
        ("1", 1, False),
    ],
)
def test_equality_is_that_of_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_every_document_has_the_same_chance() -> None:
    counts = dict.fromkeys(map(str, range(20)), 0)
    for seed in range(2000):
        sample = Sample(5, Random(seed))
        for doc_id in counts:
            sample.offer(doc_id, ["1-a"])
        taken = sample.take()
        assert len(set(taken)) == 5
        for doc_id, _ in taken:
            counts[doc_id] += 1
    assert all(400 < count < 600 for count in counts.values())
