# SPDX-License-Identifier: Apache-2.0
"""`/raw` as clients meet it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf.raw_table import EVERYTHING, Table, Window
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW

ROWS = "/raw/dbs/db/tables/t/rows"


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    """Database ``db`` with table ``t``."""
    cdf.create("/raw/dbs", {"name": "db"})
    cdf.create("/raw/dbs/db/tables", {"name": "t"})
    return cdf


def insert(cdf: Caller, rows: dict[str, dict[str, Any]], path: str = ROWS) -> None:
    assert cdf.post(path, {"items": [{"key": key, "columns": columns} for key, columns in rows.items()]}) == {}


def pages(cdf: Caller, query: str = "", cursor: str | None = None) -> Iterator[list[dict[str, Any]]]:
    while True:
        page = cdf.get(f"{ROWS}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        yield page["items"]
        cursor = page.get("nextCursor")
        if cursor is None:
            return


def keys(cdf: Caller, query: str = "", cursor: str | None = None) -> list[str]:
    return [row["key"] for page in pages(cdf, query, cursor) for row in page]


def refused(status: int, message: str, call: Any) -> None:
    with pytest.raises(AnswerError, match=message) as error:
        call()
    assert error.value.status == status


# -- databases and tables -----------------------------------------------------------------------------------------------


def test_databases_and_tables_are_created_listed_and_deleted(cdf: Caller) -> None:
    assert cdf.create("/raw/dbs", {"name": "b"}, {"name": "a"}) == [{"name": "b"}, {"name": "a"}]
    assert cdf.status == 201
    assert cdf.get("/raw/dbs") == {"items": [{"name": "a"}, {"name": "b"}, {"name": "db"}]}
    assert cdf.post("/raw/dbs/delete", {"items": [{"name": "a"}]}) == {}
    cdf.create("/raw/dbs/b/tables", {"name": "t2"})
    assert cdf.get("/raw/dbs/b/tables") == {"items": [{"name": "t2"}]}
    cdf.post("/raw/dbs/b/tables/delete", {"items": [{"name": "t2"}]})
    assert cdf.get("/raw/dbs/b/tables") == {"items": []}


def test_names_are_listed_in_pages(cdf: Caller) -> None:
    cdf.create("/raw/dbs/db/tables", *({"name": f"t{n:02}"} for n in range(30)))
    first = cdf.get("/raw/dbs/db/tables")
    assert len(first["items"]) == 25
    second = cdf.get(f"/raw/dbs/db/tables?cursor={first['nextCursor']}")
    assert "nextCursor" not in second
    assert [item["name"] for item in first["items"] + second["items"]] == ["t", *(f"t{n:02}" for n in range(30))]
    refused(400, "cursor", lambda: cdf.get(f"/raw/dbs?cursor={first['nextCursor']}"))


def test_what_exists_is_not_created_again(cdf: Caller) -> None:
    refused(400, "already created: db", lambda: cdf.create("/raw/dbs", {"name": "new"}, {"name": "db"}))
    refused(400, "already created: t", lambda: cdf.create("/raw/dbs/db/tables", {"name": "t"}))
    assert cdf.get("/raw/dbs") == {"items": [{"name": "db"}]}


def test_a_database_with_tables_is_deleted_only_recursively(cdf: Caller) -> None:
    refused(400, "not empty: db", lambda: cdf.post("/raw/dbs/delete", {"items": [{"name": "db"}]}))
    cdf.post("/raw/dbs/delete", {"items": [{"name": "db"}], "recursive": True})
    assert cdf.get("/raw/dbs") == {"items": []}


def test_what_is_missing_is_a_404(cdf: Caller) -> None:
    refused(404, "databases not found: x", lambda: cdf.get("/raw/dbs/x/tables"))
    refused(404, "databases not found: x", lambda: cdf.create("/raw/dbs/x/tables", {"name": "t"}))
    refused(404, "databases not found: x", lambda: cdf.post("/raw/dbs/delete", {"items": [{"name": "x"}]}))
    refused(404, "tables not found: x", lambda: cdf.post("/raw/dbs/db/tables/delete", {"items": [{"name": "x"}]}))
    refused(404, "tables not found: x", lambda: cdf.get("/raw/dbs/db/tables/x/rows"))
    refused(404, "tables not found: x", lambda: cdf.get("/raw/dbs/db/tables/x/cursors"))
    refused(404, "tables not found: x", lambda: insert(cdf, {"k": {}}, "/raw/dbs/db/tables/x/rows"))
    refused(404, "Row not found: k", lambda: cdf.get(f"{ROWS}/k"))


def test_ensure_parent_creates_what_is_missing(cdf: Caller) -> None:
    insert(cdf, {"k": {"a": 1}}, "/raw/dbs/new/tables/t%2Fx/rows?ensureParent=true")
    assert cdf.get("/raw/dbs/new/tables") == {"items": [{"name": "t/x"}]}
    cdf.create("/raw/dbs/other/tables?ensureParent=true", {"name": "t"})
    assert cdf.get("/raw/dbs/other/tables") == {"items": [{"name": "t"}]}


def test_names_have_limits(cdf: Caller) -> None:
    for name in ("", "x" * 33, 5, None):
        refused(400, "name must have", lambda name=name: cdf.create("/raw/dbs", {"name": name}))
    cdf.create("/raw/dbs", {"name": "x" * 32})
    cdf.create("/raw/dbs/db/tables", {"name": "x" * 64})
    refused(400, "1 to 64", lambda: cdf.create("/raw/dbs/db/tables", {"name": "x" * 65}))
    refused(400, "at most 1000", lambda: cdf.create("/raw/dbs", *({"name": str(n)} for n in range(1001))))


# -- rows ---------------------------------------------------------------------------------------------------------------


def test_rows_come_back_as_they_were_written(cdf: Caller) -> None:
    columns = {"text": "æøå \u2028", "number": 1.5, "nothing": None, "nested": {"list": [1, {"a": []}]}, "": True}
    insert(cdf, {"k/é 1": columns})
    row = cdf.get(f"{ROWS}/k%2F%C3%A9%201")
    assert row == {"key": "k/é 1", "columns": columns, "lastUpdatedTime": row["lastUpdatedTime"]}
    assert next(pages(cdf)) == [row]
    assert row["lastUpdatedTime"] >= NOW


def test_an_insert_replaces_all_columns_of_a_row(cdf: Caller) -> None:
    insert(cdf, {"k": {"a": 1, "b": 2}})
    insert(cdf, {"k": {"c": 3}})
    assert cdf.get(f"{ROWS}/k")["columns"] == {"c": 3}


def test_last_updated_time_moves_only_when_the_content_does(cdf: Caller) -> None:
    insert(cdf, {"k": {"a": 1, "b": [True]}})
    before = cdf.get(f"{ROWS}/k")["lastUpdatedTime"]
    insert(cdf, {"k": {"a": 1, "b": [True]}})
    insert(cdf, {"k": {"b": [True], "a": 1}})
    assert cdf.get(f"{ROWS}/k")["lastUpdatedTime"] == before
    insert(cdf, {"k": {"a": 1, "b": [1]}})
    assert cdf.get(f"{ROWS}/k")["lastUpdatedTime"] > before


def test_of_rows_with_the_same_key_in_one_request_the_last_counts(cdf: Caller) -> None:
    cdf.post(ROWS, {"items": [{"key": "k", "columns": {"a": 1}}, {"key": "k", "columns": {"a": 2}}]})
    assert [(row["key"], row["columns"]) for row in next(pages(cdf))] == [("k", {"a": 2})]


def test_rows_are_listed_in_pages_of_the_limit(cdf: Caller) -> None:
    insert(cdf, {f"{n:03}": {} for n in range(60)})
    assert [len(page) for page in pages(cdf)] == [25, 25, 10]
    assert [len(page) for page in pages(cdf, "limit=30")] == [30, 30]
    assert keys(cdf, "limit=7") == [f"{n:03}" for n in range(60)]
    for limit in ("0", "10001", "x", "-1", "1.5"):
        refused(400, "limit must be", lambda limit=limit: cdf.get(f"{ROWS}?limit={limit}"))


def test_pages_may_be_shorter_than_the_limit_if_the_sandbox_is_told_so(cdf: Caller) -> None:
    insert(cdf, {f"{n:03}": {} for n in range(10)})
    cdf.server.settings.short_pages = 3
    assert [len(page) for page in pages(cdf, "limit=100")] == [3, 3, 3, 1]


def test_columns_select_nothing_some_or_all(cdf: Caller) -> None:
    insert(cdf, {"k": {"a": 1, "b": None, "c": 3}})
    for query, expected in (
        ("columns=", {"a": 1, "b": None, "c": 3}),
        ("columns=,", {}),
        ("columns=c,b,x", {"c": 3, "b": None}),
    ):
        (row,) = next(pages(cdf, query))
        assert row["columns"] == expected, query


def test_time_filters_are_exclusive_below_and_inclusive_above(cdf: Caller) -> None:
    times = []
    for key in "abc":
        insert(cdf, {key: {"v": 1}})
        times.append(cdf.get(f"{ROWS}/{key}")["lastUpdatedTime"])
    assert keys(cdf, f"minLastUpdatedTime={times[0]}") == ["b", "c"]
    assert keys(cdf, f"maxLastUpdatedTime={times[1]}") == ["a", "b"]
    assert keys(cdf, f"minLastUpdatedTime={times[0]}&maxLastUpdatedTime={times[1]}") == ["b"]
    insert(cdf, {"a": {"v": 2}})
    assert keys(cdf, f"minLastUpdatedTime={times[2]}") == ["a"]
    assert keys(cdf, f"maxLastUpdatedTime={times[2]}") == ["b", "c"]


def test_a_cursor_keeps_the_time_filter_it_was_made_with(cdf: Caller) -> None:
    insert(cdf, {"a": {}, "b": {}, "c": {}})
    first = cdf.get(f"{ROWS}/a")["lastUpdatedTime"]
    insert(cdf, {"d": {}, "e": {}})
    page = cdf.get(f"{ROWS}?limit=1&minLastUpdatedTime={first}")
    assert [row["key"] for row in page["items"]] == ["d"]
    assert keys(cdf, "minLastUpdatedTime=99999999999999", page["nextCursor"]) == ["e"]
    (cursor,) = cdf.get(f"/raw/dbs/db/tables/t/cursors?numberOfCursors=1&maxLastUpdatedTime={first}")["items"]
    assert keys(cdf, "limit=1", cursor) == ["a", "b", "c"]


def test_parallel_cursors_split_the_keys_without_gap_or_overlap(cdf: Caller) -> None:
    expected = [f"{n:04}" for n in range(1000)]
    insert(cdf, {key: {} for key in expected})
    for count in (1, 3, 10, 999, 5000):
        cursors = cdf.get(f"/raw/dbs/db/tables/t/cursors?numberOfCursors={count}")["items"]
        assert len(cursors) == min(count, 1000)
        assert sorted(key for cursor in cursors for key in keys(cdf, "limit=300", cursor)) == expected
    assert len(cdf.get("/raw/dbs/db/tables/t/cursors")["items"]) == 10
    refused(400, "numberOfCursors", lambda: cdf.get("/raw/dbs/db/tables/t/cursors?numberOfCursors=10001"))


def test_rows_that_come_while_cursors_are_read_are_in_exactly_one_of_them(cdf: Caller) -> None:
    insert(cdf, {f"{n:02}": {} for n in range(0, 100, 2)})
    cursors = cdf.get("/raw/dbs/db/tables/t/cursors?numberOfCursors=4")["items"]
    insert(cdf, {f"{n:02}": {} for n in range(1, 100, 2)})
    insert(cdf, {"": {}, "zz": {}})
    found = [key for cursor in cursors for key in keys(cdf, "limit=9", cursor)]
    assert sorted(found) == sorted([*(f"{n:02}" for n in range(100)), "", "zz"])


def test_a_cursor_belongs_to_its_table(cdf: Caller) -> None:
    insert(cdf, {"a": {}, "b": {}})
    cursor = cdf.get(f"{ROWS}?limit=1")["nextCursor"]
    cdf.create("/raw/dbs/db/tables", {"name": "other"})
    refused(400, "cursor", lambda: cdf.get(f"/raw/dbs/db/tables/other/rows?cursor={cursor}"))
    refused(400, "cursor", lambda: cdf.get(f"{ROWS}?cursor=nonsense"))


def test_deleting_rows_ignores_keys_that_do_not_exist(cdf: Caller) -> None:
    insert(cdf, {"a": {}, "b": {}})
    assert cdf.post(f"{ROWS}/delete", {"items": [{"key": "a"}, {"key": "x"}]}) == {}
    assert keys(cdf) == ["b"]


def test_rows_have_limits(cdf: Caller) -> None:
    refused(400, "at most 10000", lambda: insert(cdf, {str(n): {} for n in range(10_001)}))
    refused(400, "1024", lambda: insert(cdf, {"é" * 1025: {}}))
    insert(cdf, {"é" * 1024: {}})
    refused(400, "5242880 bytes", lambda: insert(cdf, {"k": {"a": "x" * (5 * 1024 * 1024)}}))
    items: list[dict[str, Any]] = [
        {"key": "k"},
        {"columns": {}},
        {"key": 5, "columns": {}},
        {"key": "k", "columns": []},
    ]
    for item in items:
        refused(400, "Every row", lambda item=item: cdf.post(ROWS, {"items": [item]}))


# -- the table itself ---------------------------------------------------------------------------------------------------

KEY = st.text("abc", max_size=3)
STEP = st.one_of(
    st.tuples(st.just("upsert"), st.dictionaries(KEY, st.integers(0, 2), max_size=5)),
    st.tuples(st.just("delete"), st.lists(KEY, max_size=4)),
    st.tuples(st.just("read"), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=15), st.integers(0, 15), st.integers(0, 15), st.integers(1, 4))
def test_a_table_is_a_sorted_dictionary_with_times(
    steps: list[tuple[str, Any]], after: int, until: int, limit: int
) -> None:
    table = Table()
    model: dict[str, tuple[int, int]] = {}
    for time, (name, argument) in enumerate(steps):
        if name == "upsert":
            table.upsert([(key, {"v": value}) for key, value in argument.items()], time=time)
            changed = {key: (value, time) for key, value in argument.items() if model.get(key, (None, 0))[0] != value}
            model.update(changed)
        elif name == "delete":
            table.delete(argument)
            model = {key: rest for key, rest in model.items() if key not in argument}
        assert table.keys(EVERYTHING) == sorted(model)
    window = Window(after, until)
    expected = sorted(key for key, (_, time) in model.items() if after < time <= until)
    assert table.keys(window) == expected
    found: list[str] = []
    for begin, end in table.ranges(window, limit):
        following: str | None = begin
        while True:
            rows, following = table.page(window, following, end, limit)
            found += [row.encoded[8 : row.start - 12].decode() for row in rows]
            if following is None:
                break
    assert found == expected
