# SPDX-License-Identifier: Apache-2.0
"""Values of the small script language: what is true, what is equal, what can be asked of a string, an array or an object."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any


class Undefined:
    """JavaScript's ``undefined``; JSON's null is None."""

    def __bool__(self) -> bool:
        return False


UNDEFINED = Undefined()


class ScriptError(Exception):
    """What JavaScript would throw by itself: ``TypeError`` and the like."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


def truth(value: Any) -> bool:
    if isinstance(value, list | dict):
        return True
    return bool(value) and value == value  # NaN is not itself


def equal(one: Any, other: Any) -> bool:
    """``===``."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list | dict):
        return one is other
    return type(one) is type(other) and one == other


def loosely_equal(one: Any, other: Any) -> bool:
    """``==``, as far as sense goes: null and undefined are equal, and numbers to their texts."""
    if one is None or one is UNDEFINED:
        return other is None or other is UNDEFINED
    if isinstance(one, int | float) != isinstance(other, int | float) and not isinstance(one, list | dict):
        return number(one) == number(other)
    return equal(one, other)


def number(value: Any) -> float:
    if isinstance(value, int | float):
        return value
    if value is None:
        return 0
    try:
        return _plain(float(value or 0)) if isinstance(value, str) else math.nan
    except ValueError:
        return math.nan


def _plain(value: float) -> float:
    return int(value) if value.is_integer() else value


def text(value: Any) -> str:
    names = {True: "true", False: "false", None: "null", UNDEFINED: "undefined"}
    if value is None or value is UNDEFINED or isinstance(value, bool):
        return names[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return (
        ",".join(map(text, value))
        if isinstance(value, list)
        else "[object Object]"
        if isinstance(value, dict)
        else str(value)
    )


def type_name(value: Any) -> str:
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if callable(value):
        return "function"
    return "string" if isinstance(value, str) else "object"


def add(one: Any, other: Any) -> Any:
    if isinstance(one, str) or isinstance(other, str):
        return text(one) + text(other)
    return number(one) + number(other)


def arithmetic(name: str) -> Callable[[Any, Any], Any]:
    def apply(one: Any, other: Any) -> Any:
        left, right = number(one), number(other)
        if name in "/%" and right == 0:
            return math.nan
        return {"-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": math.fmod}[name](left, right)

    return apply


def comparison(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(one: Any, other: Any) -> bool:
        if isinstance(one, str) and isinstance(other, str):
            return compare(one, other)
        return compare(number(one), number(other))

    return apply


def contains(name: Any, value: Any) -> bool:
    """``name in value``."""
    if isinstance(value, list):
        return isinstance(name, int) and 0 <= name < len(value)
    if not isinstance(value, dict):
        raise ScriptError("TypeError", "invalid 'in' operand")
    return name in value


def member(value: Any, name: Any) -> Any:
    """``value.name`` or ``value[name]``; methods are bound."""
    if value is None or value is UNDEFINED:
        raise ScriptError("TypeError", f"cannot read property '{name}' of {text(value)}")
    if isinstance(value, dict):
        return (
            value[name]
            if name in value
            else _METHODS_OF_OBJECTS[name](value)
            if name in _METHODS_OF_OBJECTS
            else UNDEFINED
        )
    if isinstance(value, str | list):
        if name == "length":
            return len(value)
        if isinstance(name, int | float):
            return value[int(name)] if 0 <= name < len(value) else UNDEFINED
    if isinstance(value, re.Pattern) and name == "test":
        return lambda subject: value.search(text(subject)) is not None
    methods: dict[str, Callable[[Any], Any]] = {}
    if isinstance(value, str | list):
        methods = _METHODS_OF_STRINGS if isinstance(value, str) else _METHODS_OF_LISTS
    return methods[name](value) if name in methods else UNDEFINED


def _find(value: Any, wanted: Any) -> int:
    if isinstance(value, str):
        return value.find(text(wanted))
    return next((n for n, one in enumerate(value) if equal(one, wanted)), -1)


def _slice(value: Any, start: Any = 0, end: Any = None) -> Any:
    return value[int(start) : None if end is None else int(end)]


_METHODS_OF_OBJECTS: dict[str, Callable[[Any], Any]] = {
    "hasOwnProperty": lambda value: lambda name: name in value,
}
_METHODS_OF_LISTS: dict[str, Callable[[Any], Any]] = {
    "indexOf": lambda value: lambda wanted: _find(value, wanted),
    "includes": lambda value: lambda wanted: _find(value, wanted) >= 0,
    "slice": lambda value: lambda *bounds: _slice(value, *bounds),
    "some": lambda value: lambda test: any(truth(test(one)) for one in value),
    "every": lambda value: lambda test: all(truth(test(one)) for one in value),
}
_METHODS_OF_STRINGS: dict[str, Callable[[Any], Any]] = {
    "indexOf": lambda value: lambda wanted: _find(value, wanted),
    "includes": lambda value: lambda wanted: _find(value, wanted) >= 0,
    "startsWith": lambda value: lambda wanted: value.startswith(text(wanted)),
    "endsWith": lambda value: lambda wanted: value.endswith(text(wanted)),
    "toLowerCase": lambda value: value.lower,
    "toUpperCase": lambda value: value.upper,
    "trim": lambda value: value.strip,
    "slice": lambda value: lambda *bounds: _slice(value, *bounds),
    "substring": lambda value: lambda *bounds: _slice(value, *bounds),
    "substr": lambda value: lambda start, count=None: _slice(value, start, None if count is None else start + count),
    "split": lambda value: lambda by: value.split(by) if by else list(value),
    "match": lambda value: lambda pattern: [found.group() for found in pattern.finditer(value)] or None,
}
