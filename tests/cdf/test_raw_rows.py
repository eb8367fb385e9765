# SPDX-License-Identifier: Apache-2.0
"""Rows as bytes and back, digit by digit; and what is remembered of the target's rows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.raw.rows import KnownRows, RowPage, read_page, request_body

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(), st.dictionaries(st.text(), VALUES, max_size=4), max_size=6)


def _answer(rows: dict[str, Any], cursor: str | None = None) -> bytes:
    items = [{"key": key, "columns": columns, "lastUpdatedTime": 1} for key, columns in rows.items()]
    return json.dumps({"items": items, **({"nextCursor": cursor} if cursor else {})}, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


@given(ROWS)
def test_rows_go_out_as_they_came_in_whatever_their_numbers(rows: dict[str, Any]) -> None:
    page = read_page(_answer(rows, "next"))
    assert page.following == "next"
    sent = json.loads(request_body(page.rows))["items"]
    assert sent == [{"key": key, "columns": columns} for key, columns in rows.items()]


@pytest.mark.parametrize(
    "number",
    [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "-99999999999999999999999999",
        "123456789012345678901234567890.5",
        "0.1234567890123456789012345",
    ],
)
def test_long_numbers_keep_every_digit(number: str) -> None:
    page = read_page(b'{"items":[{"key":"k","columns":{"n":[1,%s]},"lastUpdatedTime":5}]}' % number.encode())
    body = request_body(page.rows)
    assert number.encode() in body
    assert json.loads(body, parse_float=Decimal)["items"][0]["columns"]["n"] == [
        1,
        json.loads(number, parse_float=Decimal),
    ]


def test_columns_may_have_the_names_of_the_row_itself() -> None:
    columns = {"lastUpdatedTime": 7, "key": "x", "columns": {"lastUpdatedTime": 8}}
    page = read_page(_answer({"k": columns}))
    assert orjson.loads(request_body(page.rows))["items"] == [{"key": "k", "columns": columns}]


def test_the_last_page_has_no_cursor() -> None:
    assert read_page(b'{"items":[]}') == RowPage([], None, 12)


def _rows(values: dict[str, Any]) -> list[dict[str, Any]]:
    return read_page(_answer(values)).rows


@given(ROWS, ROWS)
def test_what_the_target_has_otherwise_or_not_at_all_is_different(held: dict[str, Any], wanted: dict[str, Any]) -> None:
    known = KnownRows()
    known.add(_rows(held))
    known.add(_rows(held))  # the first page of a long table comes twice
    different = {row["key"] for row in known.different(_rows(wanted))}

    def canonical(columns: Any) -> str:
        return json.dumps(columns, sort_keys=True)

    assert different == {
        key for key, columns in wanted.items() if key not in held or canonical(held[key]) != canonical(columns)
    }
    assert known.unseen() == {hash(key) for key in held.keys() - wanted.keys()}
    assert len(known) == len(held)


def test_the_order_of_columns_makes_no_difference() -> None:
    known = KnownRows()
    known.add(_rows({"k": {"a": 1, "b": {"c": 2, "d": 3}}}))
    assert known.different(_rows({"k": {"b": {"d": 3, "c": 2}, "a": 1}})) == []
