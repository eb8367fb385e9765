# SPDX-License-Identifier: Apache-2.0
"""Arguments as they arrive in a task: a Python value from the DAG file, or whatever a template rendered to.

Airflow renders templates to strings (``"None"``, ``"True"``, ``"['a', 'b']"``), so every templated argument is read here, in
one place, and a value that cannot be read is an error that names the argument and what to write.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

from airflow_provider_replicator.exceptions import ConfigurationError

Kind = Literal["text", "flag", "integer", "number", "names", "mapping"]

_NOTHING = {"", "none", "null"}
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


def coerce(name: str, value: Any, kind: Kind) -> Any:
    """The value of argument ``name`` as ``kind``, or None if nothing was given.

    ``None``, ``"None"``, ``"null"`` and, except for ``names``, the empty string are nothing. ``names`` is a tuple of strings
    from a list, a JSON list, a Python list as text, or a comma list; an empty text is an empty tuple, so that a template which
    rendered to nothing is not mistaken for "everything". Raises :class:`ConfigurationError`.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip()
        if value.lower() in _NOTHING and not (kind == "names" and value == ""):
            return None
    return _READERS[kind](name, value)


def coerce_all(arguments: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The arguments named by ``kinds`` that were given, each read as its kind."""
    values = {name: coerce(name, arguments[name], kind) for name, kind in kinds.items()}
    return {name: value for name, value in values.items() if value is not None}


def given(holder: object, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The arguments in ``kinds`` that ``holder`` has as attributes and that were given, each read as its kind."""
    have = {name: kind for name, kind in kinds.items() if hasattr(holder, name)}
    return coerce_all({name: getattr(holder, name) for name in have}, have)


def import_function(name: str, value: Any) -> Callable[..., object] | None:
    """A function, given as itself or as ``"package.module:function"``. The text is imported, never evaluated."""
    if value is None:
        return None
    if callable(value):
        return cast("Callable[..., object]", value)
    from importlib import import_module

    module, _, attribute = str(value).partition(":")
    try:
        function = getattr(import_module(module), attribute) if attribute else None
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{name}: cannot import {value!r}: {error}") from error
    if not callable(function):
        raise _wrong(name, value, 'an importable function as "package.module:function"')
    return cast("Callable[..., object]", function)


def read_shard(value: Any) -> tuple[int, int] | None:
    """``{"index": i, "count": n}`` as a pair, checked."""
    shard = coerce("shard", value, "mapping")
    if shard is None:
        return None
    if set(shard) == {"index", "count"}:
        index, count = (coerce(f"shard.{name}", shard[name], "integer") for name in ("index", "count"))
        if 0 <= index < count:
            return index, count
    raise ConfigurationError(f'shard is {value!r}: write {{"index": i, "count": n}} with 0 <= i < n')


def _wrong(name: str, value: Any, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is {value!r}: write {expected}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _wrong(name, value, "a text")


def _flag(name: str, value: Any) -> bool:
    text = str(value).lower()
    if isinstance(value, bool | int | str) and text in _TRUE | _FALSE:
        return text in _TRUE
    raise _wrong(name, value, "true or false")


def _integer(name: str, value: Any) -> int:
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError as error:
            raise _wrong(name, value, "a whole number") from error
    raise _wrong(name, value, "a whole number")


def _number(name: str, value: Any) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError as error:
            raise _wrong(name, value, "a number") from error
    raise _wrong(name, value, "a number")


def _names(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _literal(name, value) if value.startswith(("[", "(")) else _split(value)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | str):
        names = tuple(value)
        if all(isinstance(item, str) and item for item in names):
            return names
    raise _wrong(name, value, "a list of texts (none of them empty), as a list, as JSON or separated by commas")


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = _literal(name, value)
    if isinstance(value, Mapping):
        return dict(value)
    raise _wrong(name, value, 'a dictionary, such as {"index": 0, "count": 8}')


def _literal(name: str, value: str) -> Any:
    """JSON, or a Python literal as ``{{ params.x }}`` renders it. Neither can run code."""
    try:
        return json.loads(value)
    except ValueError:
        pass
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError) as error:
        raise _wrong(name, value, "valid JSON") from error


_READERS: dict[Kind, Callable[[str, Any], Any]] = {
    "text": _text,
    "flag": _flag,
    "integer": _integer,
    "number": _number,
    "names": _names,
    "mapping": _mapping,
}
