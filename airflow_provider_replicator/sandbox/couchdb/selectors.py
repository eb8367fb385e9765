# SPDX-License-Identifier: Apache-2.0
"""Mango selectors: from JSON to a function of a document.

A negation is carried inwards until it meets an operator, as in CouchDB: a field that is missing fulfils no condition, not even
``$ne``, and no negated one; only ``{"$exists": false}``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.collation import Key, kind_of, order, raw_order
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError

Match = Callable[[Any], bool]
Path = tuple[str, ...]

_MISSING = object()
_COMBINATIONS = ("$and", "$or", "$nor", "$not")
_UNSUPPORTED = {"$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$text"}


def compiled(selector: Mapping[str, Any]) -> Match:
    """Raises 400 for operators that there are not, and for arguments that they do not take."""
    if any(
        name.startswith("$") and name not in _COMBINATIONS and name in (*_COMPARISONS, *_OPERATORS) for name in selector
    ):
        raise _nameless()
    return _compile(selector, (), negated=False) if selector else lambda _: True


def _nameless() -> CouchError:
    return CouchError(400, "invalid_selector", "One or more conditions is missing a field name.")


def _compile(selector: Any, path: Path, *, negated: bool) -> Match:
    if not isinstance(selector, Mapping) or not selector:
        return _operator("$eq", selector, path, negated=negated)
    if len(selector) > 1:
        parts = [{name: condition} for name, condition in selector.items()]
        return _combined("$and", parts, path, negated=negated)
    ((name, condition),) = selector.items()
    if name in _COMBINATIONS:
        return _combined(name, condition, path, negated=negated)
    if name.startswith("$"):
        return _operator(name, condition, path, negated=negated)
    return _compile(condition, path + parse_field(name), negated=negated)


def _combined(name: str, condition: Any, path: Path, *, negated: bool) -> Match:
    if name == "$not":
        if not isinstance(condition, Mapping):
            raise _bad_argument(name, condition)
        return _compile(condition, path, negated=not negated)
    if not isinstance(condition, list):
        raise _bad_argument(name, condition)
    negated = negated != (name == "$nor")
    parts = [_compile(one, path, negated=negated) for one in condition]
    if not parts:
        return lambda _: True
    every = (name == "$and") != negated
    if every:
        return lambda value: all(part(value) for part in parts)
    return lambda value: any(part(value) for part in parts)


def parse_field(name: str) -> Path:
    r"""``a.b`` is b in a; ``a\.b`` is a field with a dot in its name."""
    parts = tuple(part.replace("\\", "") for part in re.split(r"(?<!\\)\.", name))
    if name == "":
        raise _nameless()
    if "" in parts:
        raise CouchError(400, "invalid_field_name", f"Invalid field name: {name}")
    return parts


def field_of(value: Any, path: Path, missing: Any = None) -> Any:
    """What the path leads to, also through arrays by index."""
    for name in path:
        if isinstance(value, Mapping):
            value = value.get(name, _MISSING)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return missing
        if value is _MISSING:
            return missing
    return value


def _operator(name: str, argument: Any, path: Path, *, negated: bool) -> Match:
    if name == "$exists":
        if not isinstance(argument, bool):
            raise _bad_argument(name, argument)
        wanted = argument != negated
        return lambda value: (field_of(value, path, _MISSING) is not _MISSING) == wanted
    if name in _UNSUPPORTED:
        raise CouchError(400, "not_supported", f"Unsupported operator: {name}")
    test = _test(name, argument, path)

    def match(value: Any) -> bool:
        found = field_of(value, path, _MISSING)
        return found is not _MISSING and test(found) != negated

    return match


def _test(name: str, argument: Any, path: Path) -> Match:
    if name in _COMPARISONS:
        return _compared(name, argument, raw_order if path == ("_id",) else order)
    if name not in _OPERATORS:
        raise CouchError(400, "invalid_operator", f"Invalid operator: {name}")
    return _OPERATORS[name](argument)


def _bad_argument(name: str, argument: Any) -> CouchError:
    return CouchError(400, "bad_arg", f"Bad argument for operator {name}: {argument}")


# operators: from the argument to a test of the value

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}


def _compared(name: str, argument: Any, key: Callable[[Any], Key]) -> Match:
    compare, than = _COMPARISONS[name], key(argument)
    return lambda value: compare(key(value), than)


def _among(argument: Any) -> Match:
    if not isinstance(argument, list):
        raise _bad_argument("$in", argument)
    wanted = {order(one) for one in argument}
    return lambda value: any(order(one) in wanted for one in (value if isinstance(value, list) else [value]))


def _not_among(argument: Any) -> Match:
    if not isinstance(argument, list):
        raise _bad_argument("$nin", argument)
    among = _among(argument)
    return lambda value: not among(value)


def _type(argument: Any) -> Match:
    if not isinstance(argument, str):
        raise _bad_argument("$type", argument)
    return lambda value: kind_of(value) == argument


def _size(argument: Any) -> Match:
    if type(argument) is not int or argument < 0:
        raise _bad_argument("$size", argument)
    return lambda value: isinstance(value, list) and len(value) == argument


def _modulo(argument: Any) -> Match:
    if not isinstance(argument, list) or [type(one) for one in argument] != [int, int] or argument[0] == 0:
        raise _bad_argument("$mod", argument)
    divisor, rest = argument
    # The remainder has the sign of the dividend.
    return lambda value: type(value) is int and (abs(value) % abs(divisor)) * (-1 if value < 0 else 1) == rest


def _regex(argument: Any) -> Match:
    try:
        pattern = re.compile(argument)
    except (TypeError, re.error):
        raise _bad_argument("$regex", argument) from None
    return lambda value: isinstance(value, str) and pattern.search(value) is not None


def _begins(argument: Any) -> Match:
    if not isinstance(argument, str):
        raise CouchError(400, "invalid_operator", "Invalid operator: $beginsWith")  # sic
    return lambda value: isinstance(value, str) and value.startswith(argument)


def _all(argument: Any) -> Match:
    if not isinstance(argument, list):
        raise _bad_argument("$all", argument)
    single = argument[0] if len(argument) == 1 and isinstance(argument[0], list) else None

    def test(value: Any) -> bool:
        if not argument or not isinstance(value, list):
            return False
        return all(one in value for one in argument) or (single is not None and single == value)

    return test


def _element(argument: Any) -> Match:
    inner = _inner("$elemMatch", argument)
    return lambda value: isinstance(value, list) and any(inner(one) for one in value)


def _elements(argument: Any) -> Match:
    inner = _inner("$allMatch", argument)
    return lambda value: isinstance(value, list) and bool(value) and all(inner(one) for one in value)


def _keys(argument: Any) -> Match:
    inner = _inner("$keyMapMatch", argument)
    return lambda value: isinstance(value, Mapping) and any(inner(name) for name in value)


def _inner(name: str, argument: Any) -> Match:
    if not isinstance(argument, Mapping):
        raise _bad_argument(name, argument)
    return _compile(argument, (), negated=False)


_OPERATORS: dict[str, Callable[[Any], Match]] = {
    "$in": _among,
    "$nin": _not_among,
    "$type": _type,
    "$size": _size,
    "$mod": _modulo,
    "$regex": _regex,
    "$beginsWith": _begins,
    "$all": _all,
    "$elemMatch": _element,
    "$allMatch": _elements,
    "$keyMapMatch": _keys,
}
