# SPDX-License-Identifier: Apache-2.0
"""Whole columns at once, and value by value where one is to blame: both give the same."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.lake.arrow import column_array
from airflow_provider_replicator.lake.columns import Column, Kind

NODE = {"space": "s", "externalId": "n"}
#: kind, is_list, values that fit, values that do not
CASES: list[tuple[Kind, bool, list[Any], list[Any]]] = [
    ("text", False, ["", "æ\x01", "x" * 1_000_000], [1, True, ["a"], {"a": 1}, b"x", "\ud800"]),
    ("boolean", False, [True, False], [1, "true", 0.0]),
    ("int32", False, [0, -(2**31), 2**31 - 1], [2**31, 1.5, "1", True]),
    ("int64", False, [2**53 + 1, -(2**63), 2**63 - 1], [2**63, 1.5, "1", False]),
    ("float32", False, [1.5, 3], [1e39, "1", True]),
    ("float64", False, [1e308, 3, -0.5], ["1", True, [1.0]]),
    ("timestamp", False, [0, -1, 9_007_199_254_740_991], [2**60, "yesterday", 1.5, True]),
    ("date", False, ["2020-02-29", "1600-01-01"], ["2020-02-30", 5]),
    ("reference", False, [NODE, {**NODE, "space": ""}], ["s", {"space": "s"}, {"space": None, "externalId": "n"}, 5]),
    ("map", False, [{}, {"a": "1", "A": "2"}, {"": ""}], ["a", {"a": 1}, {"a": None}, ["a"], 5]),
    ("text", True, [[], ["a", None, ""]], ["a", [1], {"a": "b"}, 5]),
    ("int64", True, [[2**53 + 1], [], [None]], [[True], 5, [2**63], ["1"]]),
    ("reference", True, [[NODE, NODE], []], [[5], NODE]),
    ("timestamp", True, [[0, 1], [None]], [["x"], 0]),
]


@pytest.mark.parametrize(("kind", "is_list", "good", "bad"), CASES)
def test_a_value_that_does_not_fit_is_named_and_changes_no_other(
    kind: Kind, is_list: bool, good: list[Any], bad: list[Any]
) -> None:
    column = Column(name="c", kind=kind, is_list=is_list)
    fast, none = column_array(column, [None, *good, None])
    assert none == {}
    assert fast.type == column_array(column, [])[0].type

    for value in bad:
        slow, misfits = column_array(column, [None, *good, value, None])
        assert list(misfits) == [len(good) + 1], value
        assert slow[len(good) + 1].as_py() is None
        assert slow.take([*range(len(good) + 1), len(good) + 2]).equals(fast), value


def test_a_column_without_any_value_has_its_type() -> None:
    array, misfits = column_array(Column(name="c", kind="map"), [None, None])
    assert (str(array.type), array.null_count, misfits) == ("map<string, string>", 2, {})
    _, misfits = column_array(Column(name="c", kind="text", nullable=False), [None, "a", None])
    assert sorted(misfits) == [0, 2]
