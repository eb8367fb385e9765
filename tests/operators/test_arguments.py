# SPDX-License-Identifier: Apache-2.0
"""Arguments as templates render them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_replicator.core.arguments import Kind, coerce, coerce_all, import_function
from airflow_provider_replicator.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", "a", "a"),
        ("text", " a ", "a"),
        ("text", None, None),
        ("text", "None", None),
        ("text", "null", None),
        ("text", "", None),
        ("flag", True, True),
        ("flag", "True", True),
        ("flag", "false", False),
        ("flag", "no", False),
        ("flag", 1, True),
        ("flag", "None", None),
        ("integer", "12", 12),
        ("integer", 0, 0),
        ("number", "0.1", 0.1),
        ("number", 1, 1.0),
        ("names", ["a", "b"], ("a", "b")),
        ("names", ("a",), ("a",)),
        ("names", "a, b", ("a", "b")),
        ("names", '["a, b", "c"]', ("a, b", "c")),
        ("names", "['a', 'b']", ("a", "b")),
        ("names", "a", ("a",)),
        ("names", "None", None),
        ("names", [], ()),
        ("names", "", ()),
        ("names", "[]", ()),
        ("mapping", {"index": 1}, {"index": 1}),
        ("mapping", "{'index': 1}", {"index": 1}),
        ("mapping", '{"index": 1}', {"index": 1}),
    ],
)
def test_values_as_templates_render_them(kind: Kind, value: Any, expected: Any) -> None:
    assert coerce("argument", value, kind) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 3),
        ("flag", "maybe"),
        ("flag", 2),
        ("flag", []),
        ("integer", "1.5"),
        ("integer", True),
        ("number", "many"),
        ("number", False),
        ("names", [1]),
        ("names", ["a", ""]),
        ("names", "a,,b"),
        ("names", "[a"),
        ("names", {"a": 1}),
        ("names", '["a", 1]'),
        ("names", b"a"),
        ("mapping", "[1]"),
        ("mapping", "{1"),
        ("mapping", 4),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_argument(kind: Kind, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_things is .*: write "):
        coerce("max_things", value, kind)


@given(st.lists(st.text(min_size=1)))
def test_any_list_survives_being_rendered_as_json_or_as_python(names: list[str]) -> None:
    assert coerce("names", json.dumps(names), "names") == tuple(names)
    assert coerce("names", str(names), "names") == tuple(names)


def test_arguments_not_given_keep_the_defaults_of_the_options() -> None:
    arguments = {"limit": "None", "mirror": "false", "transform": 3}
    assert coerce_all(arguments, {"limit": "integer", "mirror": "flag"}) == {"mirror": False}


def test_a_function_is_imported_and_never_evaluated() -> None:
    assert import_function("transform", "json:dumps") is json.dumps
    assert import_function("transform", "json.encoder:JSONEncoder") is json.JSONEncoder
    assert import_function("transform", json.dumps) is json.dumps
    assert import_function("transform", None) is None


@pytest.mark.parametrize(
    "value",
    ["json", "json:no_such", "no_such_module:f", "lambda t, v: (t, v)", "json:__name__", ":f", "__import__('os'):f"],
)
def test_what_is_not_a_function_is_an_error(value: str) -> None:
    with pytest.raises(ConfigurationError, match="transform"):
        import_function("transform", value)
