# SPDX-License-Identifier: Apache-2.0
"""What a task returns of it fits into XCom."""

from __future__ import annotations

import json

from airflow_provider_replicator.couchdb.verify.missing import Lacking, Missing
from airflow_provider_replicator.couchdb.verify.report import MAX_BYTES, VerifyReport

LONG = "ü" * 500


def report(**more: object) -> VerifyReport:
    return VerifyReport(**{"source": "a/b", "target": "c/d", "level": "bodies", **more})  # type: ignore[arg-type]


def test_it_is_cut_to_its_size() -> None:
    told = report(
        source=LONG,
        target=LONG,
        missing_documents=60_000,
        missing_ids=tuple(f"{number}{LONG}" for number in range(100)),
        different_ids=tuple(f"{number}{LONG}" for number in range(100)),
        findings=(LONG, LONG),
        notes=(LONG,) * 3,
    )
    values = told.as_dict()
    assert len(json.dumps(values)) <= MAX_BYTES
    assert values["ok"] is False
    assert values["missing_documents"] == 60_000
    assert len(values["findings"]) == 1
    assert len(told.missing_ids) == 100


def test_as_much_as_fits() -> None:
    values = report(missing_documents=100, missing_ids=tuple(f"d{number:04}" for number in range(100))).as_dict()
    assert len(values["missing_ids"]) == 100
    assert json.loads(json.dumps(values)) == values


def test_it_is_fine_where_nothing_was_found() -> None:
    assert report(notes=("worth knowing",)).ok
    assert not report(findings=("missing",)).ok


def test_what_was_written_meanwhile_is_taken_out_again() -> None:
    missing = Missing()
    missing.add("a", Lacking(revisions=2))
    missing.add("b", Lacking(revisions=1, winner=False, tombstone=True))
    missing.add("a", Lacking(revisions=3, winner=False))
    assert (missing.documents, missing.revisions, missing.winners, missing.tombstones) == (2, 4, 0, 1)
    assert missing.forget(["b", "c"]) == 1
    assert (missing.documents, missing.revisions, missing.tombstones) == (1, 3, 0)
    assert missing.ids(10) == ("a",)


def test_a_hundred_thousand_missing_documents_are_counted() -> None:
    missing = Missing()
    for number in range(100_000):
        missing.add(str(number), Lacking(revisions=1))
    assert missing.documents == missing.revisions == 100_000
    assert missing.ids(2) == ("0", "1")
    assert not missing.only_design_documents
