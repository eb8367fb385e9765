# SPDX-License-Identifier: Apache-2.0
"""How CouchDB orders JSON values: null, booleans, numbers, strings, arrays, objects."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

_NULL, _BOOLEAN, _NUMBER, _STRING, _ARRAY, _OBJECT = range(6)
#: ICU's order of the kinds of characters, by the first letter of their Unicode category
_CLASSES = {"Z": 0, "C": 0, "P": 1, "S": 2, "N": 3, "L": 4, "M": 5}

Key = tuple[Any, ...]


def order(value: Any) -> Key:
    """Sorts as views and selectors do. Strings nearly as ICU's root locale: letters by their base, then accents, then lower case
    before upper case."""
    if value is None:
        return (_NULL,)
    if isinstance(value, bool):
        return (_BOOLEAN, value)
    if isinstance(value, int | float):
        return (_NUMBER, value)
    if isinstance(value, str):
        return (_STRING, _string(value))
    if isinstance(value, list):
        return (_ARRAY, tuple(order(one) for one in value))
    return (_OBJECT, tuple((_string(name), order(one)) for name, one in value.items()))


def raw_order(value: Any) -> Key:
    """As :func:`order`, but strings by their bytes: ids."""
    return (_STRING, value) if isinstance(value, str) else order(value)


@lru_cache(maxsize=4096)
def _string(text: str) -> Key:
    primary: list[tuple[int, str]] = []
    accents: list[tuple[int, str]] = []
    cases: list[bool] = []
    for letter in unicodedata.normalize("NFD", text):
        kind = _CLASSES[unicodedata.category(letter)[0]]
        if kind == _CLASSES["M"]:
            accents.append((len(primary), letter))
        else:
            primary.append((kind, letter.casefold()))
            cases.append(letter.isupper())
    return tuple(primary), tuple(accents), tuple(cases)


def kind_of(value: Any) -> str:
    """The name of a value's type, as ``$type`` has it."""
    names = {
        _NULL: "null",
        _BOOLEAN: "boolean",
        _NUMBER: "number",
        _STRING: "string",
        _ARRAY: "array",
        _OBJECT: "object",
    }
    return names[order(value)[0]]
