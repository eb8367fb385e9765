# SPDX-License-Identifier: Apache-2.0
"""Mango selectors. What each finds is what a real 3.5.0 found in the same documents."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError
from airflow_provider_replicator.sandbox.couchdb.selectors import compiled

DOCUMENTS: dict[str, dict[str, Any]] = {
    "zero": {"n": 0, "s": "x", "tags": ["t0", "c"], "o": {"p": 0, "q.r": 1}, "b": True},
    "one": {"n": 1, "s": "y", "tags": ["t1", "c"], "o": {"p": 1, "q.r": 1}, "b": False},
    "two": {"n": 2, "s": "Z", "tags": ["t2", "c"], "o": {"p": 2, "q.r": 1}, "b": True},
    "three": {"n": 3, "s": "ü", "tags": ["t0", "c"], "o": {"p": 3, "q.r": 1}, "b": False},
    "none": {"n": None},
    "miss": {"z": 1},
    "arr": {"n": [1, 2, {"k": 5}], "tags": []},
    "str": {"n": "10"},
}
NUMBERS = "zero one two three"
EVERY = " ".join(DOCUMENTS)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({"n": 1}, "one"),
        ({"n": {"$gt": 1}}, "two three arr str"),
        ({"n": {"$gte": 2}}, "two three arr str"),
        ({"n": {"$lt": 1}}, "zero none"),
        ({"n": {"$lte": 1, "$gt": 0}}, "one"),
        ({"n": {"$ne": 1}}, "zero two three none arr str"),
        ({"n": {"$in": [1, "10", None]}}, "one none arr str"),
        ({"n": {"$nin": [1, 2]}}, "zero three none str"),
        ({"n": {"$in": []}}, ""),
        ({"n": {"$exists": True}}, f"{NUMBERS} none arr str"),
        ({"n": {"$exists": False}}, "miss"),
        ({"n": {"$type": "null"}}, "none"),
        ({"n": {"$type": "array"}}, "arr"),
        ({"tags": {"$size": 2}}, NUMBERS),
        ({"tags": {"$size": 0}}, "arr"),
        ({"n": {"$mod": [2, 1]}}, "one three"),
        ({"s": {"$regex": "^[xy]"}}, "zero one"),
        ({"s": {"$beginsWith": "x"}}, "zero"),
        ({"tags": {"$all": ["t0", "c"]}}, "zero three"),
        ({"tags": {"$all": []}}, ""),
        ({"tags": {"$elemMatch": {"$eq": "t2"}}}, "two"),
        ({"tags": {"$elemMatch": {"$or": [{"$eq": "t2"}, {"$eq": "t1"}]}}}, "one two"),
        ({"tags": {"$allMatch": {"$regex": "c"}}}, ""),
        ({"n": {"$elemMatch": {"k": 5}}}, "arr"),
        ({"o": {"$keyMapMatch": {"$eq": "p"}}}, NUMBERS),
        ({"o.p": 2}, "two"),
        ({"o": {"p": {"$gt": 1}}}, "two three"),
        ({"o.q\\.r": 1}, NUMBERS),
        ({"n.0": 1}, "arr"),
        ({"n.2.k": 5}, "arr"),
        ({"$and": [{"n": {"$gt": 0}}, {"n": {"$lt": 3}}]}, "one two"),
        ({"$or": [{"n": 1}, {"n": 2}]}, "one two"),
        ({"$nor": [{"n": {"$gt": 1}}, {"b": True}]}, "one"),
        ({"$not": {"n": 1}}, "zero two three none arr str"),
        ({"$not": {"n": {"$gt": 1}}}, "zero one none"),
        ({"n": {"$not": {"$regex": "1"}}}, f"{NUMBERS} none arr"),
        ({"n": {"$not": {"$exists": True}}}, "miss"),
        ({"$not": {"$or": [{"n": {"$gt": 1}}, {"zz": 1}]}}, ""),
        ({"n": {"$or": [{"$lt": 1}, {"$gt": 2}]}}, "zero three none arr str"),
        ({"s": {"$gt": "x"}}, "one two"),
        ({"s": {"$lt": "x"}}, "three"),
        ({"n": {"$gt": None}}, f"{NUMBERS} arr str"),
        ({"n": {"$lt": "zz"}}, f"{NUMBERS} none str"),
        ({"n": {"$eq": [1, 2, {"k": 5}]}}, "arr"),
        ({"zz": {"$ne": 1}}, ""),
        ({"tags": "c"}, ""),
        ({"n": {}}, ""),
        ({}, EVERY),
        ({"$and": []}, EVERY),
        ({"$or": []}, EVERY),
    ],
)
def test_what_a_selector_finds(selector: dict[str, Any], names: str) -> None:
    matches = compiled(selector)
    assert [name for name, document in DOCUMENTS.items() if matches(document)] == names.split()


def test_ids_are_compared_by_their_bytes() -> None:
    matches = compiled({"_id": {"$gt": "Z"}})
    assert [name for name in ("A", "Z", "a", "ü") if matches({"_id": name})] == ["a", "ü"]


@pytest.mark.parametrize(
    ("selector", "error"),
    [
        ({"n": {"$foo": 1}}, "invalid_operator"),
        ({"n": {"$in": 3}}, "bad_arg"),
        ({"n": {"$nin": 3}}, "bad_arg"),
        ({"n": {"$size": -1}}, "bad_arg"),
        ({"n": {"$mod": [1]}}, "bad_arg"),
        ({"n": {"$regex": "["}}, "bad_arg"),
        ({"n": {"$exists": 1}}, "bad_arg"),
        ({"n": {"$type": 1}}, "bad_arg"),
        ({"n": {"$all": 3}}, "bad_arg"),
        ({"n": {"$elemMatch": 3}}, "bad_arg"),
        ({"$and": 3}, "bad_arg"),
        ({"$not": 3}, "bad_arg"),
        ({"n": {"$beginsWith": 3}}, "invalid_operator"),
        ({"n": {"$where": "x"}}, "not_supported"),
        ({"$gt": 3}, "invalid_selector"),
        ({"": 3}, "invalid_selector"),
        ({"a..b": 1}, "invalid_field_name"),
    ],
)
def test_what_is_no_selector(selector: dict[str, Any], error: str) -> None:
    with pytest.raises(CouchError) as caught:
        compiled(selector)
    assert (caught.value.status, caught.value.error) == (400, error)
