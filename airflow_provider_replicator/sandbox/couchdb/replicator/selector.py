# SPDX-License-Identifier: Apache-2.0
"""What is refused in the selector of a job. What a selector selects is the business of the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import thrown


def _anything(_: Any) -> bool:
    return True


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError):
        return False
    return True


_ARGUMENTS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("$lt", "$lte", "$eq", "$ne", "$gte", "$gt", "$type", "$mod", "$text", "$beginsWith"), _anything),
    **dict.fromkeys(("$and", "$or", "$nor", "$in", "$nin", "$all"), _list),
    **dict.fromkeys(("$not", "$elemMatch", "$allMatch", "$keyMapMatch"), _object),
    "$exists": _flag,
    "$size": _size,
    "$regex": _pattern,
}


def check_selector(selector: Any) -> None:
    """Raises RejectedDocumentError."""
    if isinstance(selector, list):
        for one in selector:
            check_selector(one)
    elif isinstance(selector, Mapping):
        for name, value in selector.items():
            if name.startswith("$"):
                _check_operator(name, value)
            check_selector(value)


def _check_operator(name: str, value: Any) -> None:
    fits = _ARGUMENTS.get(name)
    if fits is not None and fits(value):
        return
    reason = (Atom("invalid_operator"), name) if fits is None else (Atom("bad_arg"), Atom(f"'{name}'"), value)
    raise thrown((Atom("mango_error"), Atom("mango_selector"), reason))
