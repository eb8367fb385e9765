# SPDX-License-Identifier: Apache-2.0
"""`/sequences/data` as clients meet it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    """Sequence ``q`` with columns l, d, s of the three types."""
    columns = [
        {"externalId": "l", "valueType": "LONG", "name": "long"},
        {"externalId": "d", "valueType": "DOUBLE"},
        {"externalId": "s", "valueType": "STRING"},
    ]
    cdf.create("/sequences", {"externalId": "q", "columns": columns})
    return cdf


def insert(cdf: Caller, rows: dict[int, list[Any]], *columns: str, name: str = "q") -> None:
    body = [{"rowNumber": number, "values": values} for number, values in rows.items()]
    item = {"externalId": name, "columns": list(columns or ("l", "d", "s")), "rows": body}
    assert cdf.post("/sequences/data", {"items": [item]}) == {}


def read(cdf: Caller, **query: Any) -> dict[str, Any]:
    answer: dict[str, Any] = cdf.post("/sequences/data/list", {"externalId": "q", **query})
    return answer


def rows(cdf: Caller, **query: Any) -> dict[int, list[Any]]:
    return {row["rowNumber"]: row["values"] for row in read(cdf, **query)["rows"]}


def refused(message: str, call: Any) -> AnswerError:
    with pytest.raises(AnswerError, match=message) as error:
        call()
    assert error.value.status == 400
    return error.value


def test_rows_come_back_in_order_with_their_columns(cdf: Caller) -> None:
    insert(cdf, {5: [1 << 53, 1.5, "é"], 0: [-1, 2, None]})
    answer = read(cdf)
    identity = cdf.items("/sequences/byids", {"items": [{"externalId": "q"}]})[0]["id"]
    assert answer == {
        "id": identity,
        "externalId": "q",
        "columns": [
            {"externalId": "l", "name": "long", "valueType": "LONG"},
            {"externalId": "d", "valueType": "DOUBLE"},
            {"externalId": "s", "valueType": "STRING"},
        ],
        "rows": [{"rowNumber": 0, "values": [-1, 2, None]}, {"rowNumber": 5, "values": [1 << 53, 1.5, "é"]}],
    }


def test_an_insert_overwrites_only_the_columns_it_names(cdf: Caller) -> None:
    insert(cdf, {1: [1, 1.0, "a"]})
    insert(cdf, {1: ["b", 2], 2: ["c", 3]}, "s", "l")
    assert rows(cdf) == {1: [2, 1.0, "b"], 2: [3, None, "c"]}


def test_ranges_columns_and_limits_select_rows(cdf: Caller) -> None:
    insert(cdf, {n: [n, n, str(n)] for n in range(200)})
    assert list(rows(cdf)) == list(range(100))
    assert list(rows(cdf, start=150, end=153)) == [150, 151, 152]
    assert rows(cdf, start=7, end=8, columns=["s", "l"]) == {7: ["7", 7]}
    assert list(rows(cdf, end=None, limit=10_000)) == list(range(200))


def test_cursors_lead_to_the_end_of_the_range(cdf: Caller) -> None:
    insert(cdf, {n: [n, n, ""] for n in range(100)})
    found: list[int] = []
    cursor = None
    while cursor or not found:
        page = read(cdf, start=10, end=95, limit=30, cursor=cursor)
        found += [row["rowNumber"] for row in page["rows"]]
        cursor = page.get("nextCursor")
    assert found == list(range(10, 95))
    cursor = read(cdf, limit=1)["nextCursor"]
    refused("cursor", lambda: read(cdf, columns=["l"], cursor=cursor))


def test_pages_of_wide_rows_are_shorter_than_asked_for(cdf: Caller) -> None:
    """The service limits a page by its size; clients that trust ``limit`` alone lose rows."""
    wide = [{"externalId": f"c{n}", "valueType": "STRING"} for n in range(200)]
    cdf.create("/sequences", {"externalId": "wide", "columns": wide})
    names = [column["externalId"] for column in wide]
    for first in (0, 500):
        insert(cdf, {n: ["x"] * 200 for n in range(first, first + 500)}, *names, name="wide")
    page = cdf.post("/sequences/data/list", {"externalId": "wide", "limit": 10_000})
    assert 100 < len(page["rows"]) < 1000
    assert page["nextCursor"]


def test_latest_is_the_last_row_before_a_number(cdf: Caller) -> None:
    insert(cdf, {3: [3, 3, "c"], 9: [9, 9, "i"]})

    def latest(**query: Any) -> list[Any]:
        return [row["rowNumber"] for row in cdf.post("/sequences/data/latest", {"externalId": "q", **query})["rows"]]

    assert (latest(), latest(before=9), latest(before=3)) == ([9], [3], [])


def test_deletes_take_row_numbers(cdf: Caller) -> None:
    insert(cdf, {n: [n, n, ""] for n in range(5)})
    assert cdf.post("/sequences/data/delete", {"items": [{"externalId": "q", "rows": [1, 3, 77]}]}) == {}
    assert list(rows(cdf)) == [0, 2, 4]


def test_rows_go_with_their_sequence(cdf: Caller) -> None:
    insert(cdf, {1: [1, 1, ""]})
    cdf.post("/sequences/delete", {"items": [{"externalId": "q"}]})
    cdf.create("/sequences", {"externalId": "q", "columns": [{"externalId": "l", "valueType": "LONG"}]})
    assert rows(cdf) == {}


@pytest.mark.parametrize(
    ("column", "value"),
    [("l", 1.5), ("l", "1"), ("l", True), ("d", "1"), ("d", 1.1e100), ("d", True), ("s", 1), ("s", "x" * 257)],
)
def test_values_must_fit_their_column(cdf: Caller, column: str, value: Any) -> None:
    insert(cdf, {1: [None]}, column)
    refused(f"not allowed in column {column}", lambda: insert(cdf, {2: [None], 3: [value]}, column))
    assert list(rows(cdf)) == [1]


def test_requests_are_checked(cdf: Caller) -> None:
    error = refused("not found", lambda: insert(cdf, {1: [1]}, "l", name="x"))
    assert error.error["missing"] == [{"externalId": "x"}]
    refused("not found", lambda: cdf.post("/sequences/data/list", {"id": 5}))
    refused("Columns not found", lambda: insert(cdf, {1: [1]}, "x"))
    refused("Columns not found", lambda: read(cdf, columns=["x"]))
    refused("expected 2 values", lambda: insert(cdf, {1: [1]}, "l", "d"))
    refused("between 0", lambda: insert(cdf, {-1: [1]}, "l"))
    refused("limited to 10000 rows", lambda: insert(cdf, {n: [1] for n in range(10_001)}, "l"))
    refused("at least one row", lambda: insert(cdf, {}, "l"))
    refused("limit", lambda: read(cdf, limit=10_001))
    refused("row numbers", lambda: cdf.post("/sequences/data/delete", {"items": [{"externalId": "q", "rows": []}]}))
    columns = [{"externalId": f"c{n}", "valueType": "LONG"} for n in range(200)]
    cdf.create("/sequences", {"externalId": "many", "columns": columns})
    names = [column["externalId"] for column in columns]
    refused("limited to 100000 values", lambda: insert(cdf, {n: [1] * 200 for n in range(501)}, *names, name="many"))
