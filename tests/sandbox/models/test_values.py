# SPDX-License-Identifier: Apache-2.0
"""What each property type takes, what it refuses, and how it comes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models.modelling import SPACE, apply, container, container_ref, node, node_ref, properties, view_ref

BIG = (1 << 63) - 1


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("text", "æøå 🎉", "æøå 🎉"),
        ("text", "x" * 128_000, "x" * 128_000),
        ("flag", False, False),
        ("i32", -(1 << 31), -(1 << 31)),
        ("i32", 7.0, 7),
        ("i64", BIG, BIG),
        ("i64", -BIG - 1, -BIG - 1),
        ("f64", 1, 1.0),
        ("f64", 1.7976931348623157e308, 1.7976931348623157e308),
        ("f32", 0.1, 0.1),
        ("f32", 0.10000000149011612, 0.1),
        ("f32", 1 / 3, 0.33333334),
        ("f32", -4095.0625, -4095.0625),
        ("f32", 16_777_217, 16_777_216.0),
        ("f32", 3.4028234663852886e38, 3.4028235e38),
        ("moment", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000+00:00"),
        ("moment", "2024-01-01T00:30:00.123456+02:00", "2023-12-31T22:30:00.123+00:00"),
        ("moment", "2024-01-01T00:30:00+0530", "2023-12-31T19:00:00.000+00:00"),
        ("moment", "2024-01-01T00:30:00", "2024-01-01T00:30:00.000+00:00"),
        ("moment", "0001-01-01T00:00:00.000+00:00", "0001-01-01T00:00:00.000+00:00"),
        ("day", "2024-02-29", "2024-02-29"),
        ("json", {"a": [1, {"b": None}], "é": "ü"}, {"a": [1, {"b": None}], "é": "ü"}),
        ("to", node_ref("x"), node_ref("x")),
        ("series", "ts", "ts"),
        ("colour", "green", "green"),
    ],
)
def test_values_come_back(models: Caller, name: str, value: Any, shown: Any) -> None:
    apply(models, node("n", (view_ref("All"), {name: value})))
    found = properties(models, "n", view_ref("All"))
    assert found == {name: shown}
    assert type(found[name]) is type(shown)
    if name != "colour":
        apply(models, node("l", (view_ref("Lists"), {name: []})))
        assert properties(models, "l", view_ref("Lists")) == {name: []}
        if len(str(value)) < 1000:
            apply(models, node("l", (view_ref("Lists"), {name: [value, value]})))
            assert properties(models, "l", view_ref("Lists")) == {name: [shown, shown]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 1),
        ("text", "a\0b"),
        ("text", "æ" * 64_001),
        ("text", ["a"]),
        ("flag", "true"),
        ("flag", 1),
        ("i32", 1 << 31),
        ("i32", 1.5),
        ("i32", True),
        ("i64", 1 << 63),
        ("f64", "1"),
        ("f64", True),
        ("f32", 3.5e38),
        ("moment", "2024-02-30T00:00:00Z"),
        ("moment", "2024-01-01"),
        ("moment", "2024-01-01T24:00:00Z"),
        ("moment", "20240101T000000Z"),
        ("moment", "9999-12-31T23:59:59-01:00"),
        ("moment", 1_700_000_000_000),
        ("day", "2023-02-29"),
        ("day", "0000-01-01"),
        ("day", "2024-1-1"),
        ("day", "2024-01-01T00:00:00Z"),
        ("json", {"a": "x" * 41_000}),
        ("json", {"k" * 129: 1}),
        ("json", {str(n): n for n in range(257)}),
        ("json", [1]),
        ("json", "text"),
        ("to", "x"),
        ("to", {"space": SPACE}),
        ("to", {"space": SPACE, "externalId": "x", "type": "node"}),
        ("to", {"space": "1", "externalId": "x"}),
        ("to", {"space": SPACE, "externalId": ""}),
        ("series", "x" * 256),
        ("colour", "blue"),
        ("colour", "other"),
    ],
)
def test_values_of_another_type_are_refused(models: Caller, name: str, value: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        apply(models, node("n", (view_ref("All"), {name: value})))
    assert caught.value.status == 400
    assert name in caught.value.error["message"]


def test_lists_have_a_size(models: Caller) -> None:
    short = {"type": "int32", "list": True, "maxListSize": 2}
    long = {"type": "int32", "list": True, "maxListSize": 1200}
    models.create("/models/containers", container("C", {"short": short, "long": long}))
    apply(models, node("n", (container_ref("C"), {"short": [1, 2], "long": [1] * 1200})))
    apply(
        models,
        node("n", (view_ref("Lists"), {"i32": [1] * 1000, "to": [node_ref("x")] * 100, "text": ["x" * 12_000] * 10})),
    )
    for source, wrong in (
        (container_ref("C"), {"short": [1, 2, 3]}),
        (container_ref("C"), {"long": [1] * 1201}),
        (view_ref("Lists"), {"i32": [1] * 1001}),
        (view_ref("Lists"), {"i32": 1}),
        (view_ref("Lists"), {"i32": [1, "2"]}),
        (view_ref("Lists"), {"i32": [1, None]}),
        (view_ref("Lists"), {"to": [node_ref("x")] * 101}),
        (view_ref("Lists"), {"text": ["x" * 13_000] * 10}),
    ):
        with pytest.raises(AnswerError):
            apply(models, node("n", (source, wrong)))


def test_text_has_the_size_that_its_definition_says(models: Caller) -> None:
    models.create("/models/containers", container("C", {"a": {"type": "text", "maxTextSize": 4}}))
    apply(models, node("n", (container_ref("C"), {"a": "æø"})))
    with pytest.raises(AnswerError, match="at most 4 bytes"):
        apply(models, node("n", (container_ref("C"), {"a": "æøå"})))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"type": {"type": "text"}, "defaultValue": 1}, "defaultValue"),
        ({"type": {"type": "text", "list": True}, "defaultValue": ["a"]}, "lists have no default value"),
        ({"type": {"type": "text"}, "autoIncrement": True}, "autoIncrement"),
        ({"type": {"type": "int32", "unit": {"externalId": "pressure:bar"}}}, "unit"),
        ({"type": {"type": "int32", "maxListSize": 3}}, "only for lists"),
        ({"type": {"type": "enum", "values": {}}}, "values size"),
        ({"type": {"type": "enum", "values": {"true": {}}}}, "cannot be the identifier"),
        ({"type": {"type": "enum", "values": {"a": {}}, "unknownValue": "b"}}, "unknownValue"),
        ({"type": "text"}, "expected an object"),
    ],
)
def test_types_that_mean_nothing_are_refused(models: Caller, definition: dict[str, Any], message: str) -> None:
    item = {"space": SPACE, "externalId": "C", "properties": {"a": definition}}
    with pytest.raises(AnswerError) as caught:
        models.create("/models/containers", item)
    assert message in caught.value.error["message"]
