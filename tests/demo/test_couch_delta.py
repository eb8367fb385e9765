# SPDX-License-Identifier: Apache-2.0
"""What the table of documents is compared by: whatever a reader of it may find wrong is noticed and named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from scripts.demo import couch_delta, couch_documents, summary
from scripts.demo.couch_documents import DATABASE
from scripts.demo.couch_server import CouchServer
from scripts.demo.delta_content import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.demo.delta_content import Rows

DOCUMENTS: list[dict[str, Any]] = [
    {"_id": "order/1", "title": "Smøreoljeprøve", "status": 600, "equipment": ["A:1", "A+2"]},
    {"_id": "order/2"},
    {"_id": "_design/orders", "language": "query"},
]


@pytest.fixture(scope="module")
def expected() -> Iterator[Rows]:
    with RunningCouch(databases=(DATABASE,)) as couch, CouchServer(couch.url, "admin", couch.password) as server:
        couch_documents.write(server, DATABASE, DOCUMENTS)
        yield couch_delta.of_server(server)


def rows(expected: Rows, **changed: Any) -> list[dict[str, Any]]:
    """What a reader gives of the right table, with the first row changed."""
    made = [
        {
            "_id": name,
            "_rev": row["_rev"],
            "_deleted": False,
            "document": json.dumps(row["document"], indent=1),
            **{column: row["document"].get(column) for column in couch_delta.COLUMNS},
        }
        for name, row in expected.items()
    ]
    made[0] |= changed
    return made


def test_design_documents_are_no_rows(expected: Rows) -> None:
    assert set(expected) == {"order/1", "order/2"}


def test_the_same_content_is_equal_however_it_is_written(expected: Rows) -> None:
    found = {"duckdb": couch_delta.of_table(rows(expected)), "polars": couch_delta.of_table(rows(expected)[::-1])}
    assert couch_delta.compared(expected, found) == {
        "rows": 2,
        "expected": 2,
        "duckdb_ok": True,
        "polars_ok": True,
        "content_ok": True,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_rev", "1-other"),
        ("_deleted", True),
        ("document", '{"_id": "order/1", "title": "another"}'),
        ("title", None),
        ("equipment", ["A:1"]),
    ],
)
def test_every_difference_is_noticed(expected: Rows, name: str, value: Any) -> None:
    found = {"duckdb": expected, "polars": couch_delta.of_table(rows(expected, **{name: value}))}
    result = couch_delta.compared(expected, found)
    assert (result["duckdb_ok"], result["polars_ok"], result["content_ok"]) == (True, False, False)
    assert differences(expected, found["polars"])[0].startswith(f"order/1: {name} is ")


def test_a_row_that_is_there_twice_is_one_too_many(expected: Rows) -> None:
    given = rows(expected)
    assert differences(expected, couch_delta.of_table([*given, given[0]])) == ["1 too many, such as order/1 (again)"]


def test_the_table_says_what_is_wrong() -> None:
    found = {"table": "documents/t", "rows": 1200, "expected": 1201, "duckdb_ok": True, "polars_ok": False}
    assert summary.documents_table(found).splitlines()[-1].split() == ["documents/t", "1,200", "1,201", "yes", "NO"]
    assert len(summary.documents_table({}).splitlines()) == 2
