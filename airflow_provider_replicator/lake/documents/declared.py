# SPDX-License-Identifier: Apache-2.0
"""Columns that a user declares beside the whole document: where in it their values are, and what they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.columns import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of what CDF calls a reference there is none in a document.
KINDS = tuple(kind for kind in get_args(Kind) if kind != "reference")
#: What may be a list.
_LISTS = tuple(kind for kind in KINDS if kind not in ("json", "map"))
_HOW = (
    f'write a type ({", ".join(KINDS)}, or "text[]" for a list), or {{"type": …, "path": …}} with the path of the value in the '
    'document: "readings.temperature", or "/readings/0" (a JSON pointer)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A column called ``name``, with the values at ``path``: names of fields, and places in lists."""

    name: str
    kind: Kind
    is_list: bool
    path: tuple[str, ...]

    @property
    def type_name(self) -> str:
        return self.kind + ("[]" if self.is_list else "")

    def column(self, spelled: str) -> Column:
        """As a column of a table, where it is ``spelled`` so."""
        about = {"couchdb.path": "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self.path)}
        return Column(name=spelled, kind=self.kind, is_list=self.is_list, source_name=self.name, about=about)

    def values(self, documents: Sequence[Any]) -> list[Any]:
        """Of each document; None where there is none."""
        if len(self.path) == 1:
            name = self.path[0]
            return [document.get(name) for document in documents]
        return [_at(document, self.path) for document in documents]


def read_declared(columns: Mapping[str, Any]) -> tuple[Declared, ...]:
    """From what a user wrote. Raises ConfigurationError, which says what to write instead."""
    return tuple(_declared(str(name), given) for name, given in columns.items())


def _declared(name: str, given: Any) -> Declared:
    if not name or name.startswith("_"):
        raise ConfigurationError(
            f"columns: {name!r}: names with an underscore at their beginning are the package's own; give it another name, "
            'and say where the value is: {"type": …, "path": …}'
        )
    if isinstance(given, str):
        given = {"type": given}
    if not isinstance(given, Mapping) or not {"type"} <= set(given) <= {"type", "path"}:
        raise ConfigurationError(f"columns: {name!r} is {given!r}: {_HOW}")
    kind = str(given["type"])
    plain = kind.removesuffix("[]")
    if plain not in (KINDS if kind == plain else _LISTS):
        raise ConfigurationError(f"columns: {name!r} is of type {kind!r}: {_HOW}")
    path = _path(given["path"]) if "path" in given else (name,)
    if not path or not all(path):
        raise ConfigurationError(f"columns: {name!r} has the path {given['path']!r}: {_HOW}")
    return Declared(name=name, kind=cast("Kind", plain), is_list=kind != plain, path=path)


def _path(given: Any) -> tuple[str, ...]:
    text = str(given)
    if text.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))
    return tuple(text.split("."))


def _at(document: Any, path: Sequence[str]) -> Any:
    value = document
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
