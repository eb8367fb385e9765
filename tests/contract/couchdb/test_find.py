# SPDX-License-Identifier: Apache-2.0
"""Selectors: in ``_find``, and by the same rules in filters of changes and replications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import Database, branch, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.couchdb.client import Couch

#: ``n`` as a number, ``s`` as so many letters, ``t`` of every type that JSON has.
DOCS = [
    {
        "_id": f"f{n}",
        "n": n,
        "s": "x" * n,
        "tags": ["a", "b"] if n % 2 else ["a"],
        "o": {"p": n, "dotted.name": n},
        "t": [1, "1", None, True, [1], {"a": 1}][n],
        "rows": [{"v": n}, {"v": n + 1}],
    }
    for n in range(6)
]
ALL = "012345"
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, ALL),
    ({"n": 3}, "3"),
    ({"n": {"$eq": 3}}, "3"),
    ({"n": {"$gt": 3}}, "45"),
    ({"n": {"$gte": 3, "$lt": 5}}, "34"),
    ({"n": {"$ne": 1}}, "02345"),
    ({"n": {"$in": [1, 2, 9]}}, "12"),
    ({"n": {"$nin": [1, 2, 3]}}, "045"),
    ({"n": {"$mod": [2, 1]}}, "135"),
    ({"o.p": 2}, "2"),
    ({"o": {"p": 2}}, "2"),
    ({"o": {"p": {"$gt": 4}}}, "5"),
    ({"o.dotted\\.name": 4}, "4"),
    ({"tags": ["a"]}, "024"),
    ({"tags": {"$all": ["a", "b"]}}, "135"),
    ({"tags": {"$size": 1}}, "024"),
    ({"tags": {"$elemMatch": {"$eq": "b"}}}, "135"),
    ({"rows": {"$elemMatch": {"v": {"$gt": 5}}}}, "5"),
    ({"rows": {"$allMatch": {"v": {"$lt": 3}}}}, "01"),
    ({"o": {"$keyMapMatch": {"$eq": "p"}}}, ALL),
    ({"$or": [{"n": 1}, {"n": 2}]}, "12"),
    ({"$and": [{"n": {"$gte": 1}}, {"n": {"$lt": 3}}]}, "12"),
    ({"n": {"$gt": 1}, "s": {"$regex": "^x{1,3}$"}}, "23"),
    ({"$not": {"n": {"$gt": 0}}}, "0"),
    ({"n": {"$not": {"$gt": 0}}}, "0"),
    ({"$nor": [{"n": {"$gt": 1}}, {"s": ""}]}, "1"),
    ({"n": {"$or": [1, {"$gt": 4}]}}, "15"),
    ({"s": {"$regex": "xxxx"}}, "45"),
    ({"s": {"$beginsWith": "xxxx"}}, "45"),
    ({"_id": {"$gt": "f3"}}, "45"),
    ({"_id": {"$in": ["f0", "f5"]}}, "05"),
    ({"never": {"$exists": False}}, ALL),
    ({"never": {"$exists": True}}, ""),
    ({"never": {"$ne": 1}}, ""),
    ({"never": None}, ""),
    ({"t": None}, "2"),
    ({"t": {"$type": "null"}}, "2"),
    ({"t": {"$type": "boolean"}}, "3"),
    ({"t": {"$type": "number"}}, "0"),
    ({"t": {"$type": "string"}}, "1"),
    ({"t": {"$type": "array"}}, "4"),
    ({"t": {"$type": "object"}}, "5"),
    # null < booleans < numbers < strings < arrays < objects
    ({"t": {"$gt": 1}}, "145"),
    ({"t": {"$gt": None}}, "01345"),
    ({"t": {"$lt": []}}, "0123"),
    ({"t": {"$gte": {}}}, "5"),
]


@pytest.fixture(scope="module")
def documents(admin: Couch) -> Any:
    import uuid

    name = f"contract-{uuid.uuid4().hex[:12]}"
    admin.put(name)
    database = Database(admin, name)
    database.post("_bulk_docs", json={"docs": DOCS})
    yield database
    admin.delete(name)


def find(db: Database, selector: Any, **options: Any) -> str:
    found = db.post("_find", json={"selector": selector, "fields": ["_id"], "limit": 100, **options})
    return "".join(doc["_id"][1:] for doc in found["docs"])


@pytest.mark.parametrize(("selector", "expected"), CASES, ids=lambda case: str(case)[:60])
def test_a_selector(documents: Database, selector: dict[str, Any], expected: str) -> None:
    assert find(documents, selector) == expected
    feed = documents.post("_changes", json={"selector": selector}, filter="_selector")
    assert "".join(sorted(row["id"][1:] for row in feed["results"])) == expected


def test_pages(documents: Database) -> None:
    everything = {"n": {"$gte": 0}}
    assert find(documents, everything, limit=2, skip=1) == "12"
    first = documents.post("_find", json={"selector": everything, "limit": 4})
    second = documents.post("_find", json={"selector": everything, "limit": 4, "bookmark": first["bookmark"]})
    assert [doc["n"] for doc in first["docs"] + second["docs"]] == [0, 1, 2, 3, 4, 5]
    assert len(documents.post("_find", json={"selector": {}})["docs"]) == 6


def test_fields(documents: Database) -> None:
    found = documents.post("_find", json={"selector": {"n": 2}, "fields": ["_id", "o.p", "never"]})
    assert found["docs"] == [{"_id": "f2", "o": {"p": 2}}]
    assert "No matching index found" in found["warning"]
    (whole,) = documents.post("_find", json={"selector": {"n": 2}})["docs"]
    assert {"_id", "_rev", "n", "tags"} <= whole.keys()


def test_only_winners_that_live_are_found(db: Database) -> None:
    db.graft(
        branch("k", "a", "c", side="a"), branch("k", "b", "c", side="b"), branch("gone", "d", _deleted=True, side="a")
    )
    db.put("_design/x", {"side": "a"})
    found = db.post("_find", json={"selector": {"side": {"$gt": None}}, "fields": ["_id", "side"]})["docs"]
    assert found == [{"_id": "k", "side": "b"}]


def test_questions_that_make_no_sense(documents: Database) -> None:
    def ask(**body: Any) -> tuple[int, str, str]:
        return refused(documents.ask("POST", "_find", json=body))

    assert ask() == (400, "missing_required_key", "Missing required key: selector")
    assert ask(selector={"n": {"$foo": 1}}) == (400, "invalid_operator", "Invalid operator: $foo")
    assert ask(selector=[]) == (400, "invalid_selector_json", "Selector must be a JSON object, not: []")
    assert ask(selector={"n": {"$in": 1}})[:2] == (400, "bad_arg")
    sort = "No index exists for this sort, try indexing by the sort fields."
    assert ask(selector={"n": {"$gt": 0}}, sort=["n"]) == (400, "no_usable_index", sort)


def test_an_index_makes_no_other_answer(db: Database, new_db: Callable[[], Database]) -> None:
    db.post("_bulk_docs", json={"docs": DOCS})
    made = db.post("_index", json={"index": {"fields": ["n"]}, "name": "by-n"})
    assert made["result"] == "created"
    assert find(db, {"n": {"$gt": 2}}) == "345"
    assert find(new_db(), {"n": {"$gt": 2}}) == ""
