# SPDX-License-Identifier: Apache-2.0
"""Checks of single values. A check returns the value to store (nearly always the same object) or raises :class:`Invalid`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Check = Callable[[Any], Any]

MAX_ID = (1 << 53) - 1
MAX_TIME = (1 << 63) - 1


class Invalid(ValueError):  # noqa: N818 - a word of validation, caught and turned into a 400 by the handlers
    """Why a value is refused, without the path to it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a resource. ``patch`` says how ``/update`` may change it: ``"value"`` set or setNull, ``"required"`` only set,
    ``"object"``, ``"list"`` and ``"labels"`` set, add and remove, ``"custom"`` by the resource's own code, None not at all."""

    check: Check
    patch: Literal["value", "required", "object", "list", "labels", "custom"] | None = "value"


def expected(what: str, value: Any) -> Invalid:
    if value is None:
        return Invalid("`null` values aren't allowed")
    return Invalid(f"expected {what}, got {type(value).__name__}")


def text(maximum: int, minimum: int = 0) -> Check:
    """A string of so many characters."""

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise expected("a string", value)
        if not minimum <= len(value) <= maximum:
            raise Invalid(f"must have {minimum} to {maximum} characters, has {len(value)}")
        return value

    return check


def integer(minimum: int, maximum: int) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not int:
            raise expected("an integer", value)
        if not minimum <= value <= maximum:
            raise Invalid(f"must be between {minimum} and {maximum}, is {value}")
        return value

    return check


internal_id = integer(1, MAX_ID)
timestamp = integer(0, MAX_TIME)


def number(minimum: float, maximum: float) -> Check:
    def check(value: Any) -> Any:
        if type(value) not in (int, float):
            raise expected("a number", value)
        if not minimum <= value <= maximum:
            raise Invalid(f"must be between {minimum} and {maximum}, is {value}")
        return value

    return check


def boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise expected("a boolean", value)
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str or value not in allowed:
            raise Invalid(f"must be one of {', '.join(allowed)}")
        return value

    return check


def list_of(check: Check, maximum: int, minimum: int = 0, *, unique: bool = False) -> Check:
    def check_list(value: Any) -> Any:
        if type(value) is not list:
            raise expected("a list", value)
        if not minimum <= len(value) <= maximum:
            raise Invalid(f"must have {minimum} to {maximum} elements, has {len(value)}")
        checked = [check(element) for element in value]
        if unique and len(checked) != len({repr(element) for element in checked}):
            raise Invalid("must not hold an element twice")
        return checked

    return check_list


def mapping(check: Check, maximum: int) -> Check:
    def check_mapping(value: Any) -> Any:
        if type(value) is not dict:
            raise expected("an object", value)
        if len(value) > maximum:
            raise Invalid(f"must have at most {maximum} keys, has {len(value)}")
        for element in value.values():
            check(element)
        return value

    return check_mapping


def record(fields: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    """An object with these properties; unknown ones are dropped, as the service does."""

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise expected("an object", value)
        checked = {name: fields[name](element) for name, element in value.items() if name in fields}
        for name in required:
            if name not in checked:
                raise Invalid(f"{name} is missing")
        return checked

    return check


def as_text(value: Any) -> str:
    """A metadata value as CDF stores it: numbers and booleans become their JSON text, everything else but text is refused."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise expected("a string", value)


def metadata(*, pairs: int, key_bytes: int, value_bytes: int, total_bytes: int) -> Check:
    """Strings by string, with limits in UTF-8 bytes. Numbers become strings."""
    # A character is at most four bytes: below these sizes in characters nothing needs to be encoded to be measured.
    short_key, short_total = key_bytes // 4, min(total_bytes, value_bytes) // 4

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise expected("an object", value)
        if len(value) > pairs:
            raise Invalid(f"must have at most {pairs} keys, has {len(value)}")
        if not value:
            return value
        values = value.values()
        if set(map(type, values)) != {str}:
            return check({key: as_text(element) for key, element in value.items()})
        if max(map(len, value)) > short_key or sum(map(len, value)) + sum(map(len, values)) > short_total:
            _measure(value, key_bytes, value_bytes, total_bytes)
        return value

    return check


def _measure(value: dict[str, str], key_bytes: int, value_bytes: int, total_bytes: int) -> None:
    keys = [len(key.encode()) for key in value]
    values = [len(element.encode()) for element in value.values()]
    if max(keys) > key_bytes:
        raise Invalid(f"keys must have at most {key_bytes} bytes, one has {max(keys)}")
    if max(values) > value_bytes:
        raise Invalid(f"values must have at most {value_bytes} bytes, one has {max(values)}")
    if sum(keys) + sum(values) > total_bytes:
        raise Invalid(f"must have at most {total_bytes} bytes in total, has {sum(keys) + sum(values)}")
