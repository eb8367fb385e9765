# SPDX-License-Identifier: Apache-2.0
"""What to do with a document that both sides have. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Document = dict[str, Any]
_EMPTY: tuple[Any, ...] = (None, [], {})


def difference(desired: Document, held: Document) -> dict[str, Document]:
    """The patches that turn ``held`` into ``desired`` (both without what the server makes); empty if they mean the same.

    A field that is not desired is cleared. Absent and empty are the same; the order in lists of references means nothing.
    """
    patches: dict[str, Document] = {}
    for name, value in desired.items():
        there = held.get(name)
        if there != value and not _same(value, there):
            patches[name] = {"set": value}
    for name, there in held.items():
        if name not in desired and there not in _EMPTY:
            patches[name] = _clear(name, there)
    return patches


def _clear(name: str, there: Any) -> Document:
    """Lists and metadata are emptied, everything else has setNull."""
    if isinstance(there, list):
        return {"set": []}
    return {"set": {}} if name == "metadata" else {"setNull": True}


def _same(value: Any, there: Any) -> bool:
    if value in _EMPTY:
        return there in _EMPTY
    if not isinstance(value, list) or not isinstance(there, list) or len(value) != len(there):
        return False
    return _sorted(value) == _sorted(there)


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=repr)


def why_not(patches: Mapping[str, Any], not_updatable: frozenset[str]) -> str | None:
    """The reason if a difference is in a field that CDF does not update; None if all can be written."""
    fields = sorted(not_updatable & patches.keys())
    if not fields:
        return None
    return (
        f"{', '.join(fields)} differs and CDF cannot change it: delete the object in the target to have it copied again"
    )
