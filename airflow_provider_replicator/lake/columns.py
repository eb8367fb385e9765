# SPDX-License-Identifier: Apache-2.0
"""Declared schemas: what columns a table has, before anything is read. No Arrow here: that is :mod:`.arrow`.

Columns of the package's own begin with an underscore. No property of CDF can: its names begin with a letter or a digit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: ``json``: any JSON value, as text. ``reference``: {space, externalId}. ``map``: text to text (metadata). ``timestamp``: UTC,
#: microseconds.
Kind = Literal[
    "text", "boolean", "int32", "int64", "float32", "float64", "timestamp", "date", "json", "reference", "map"
]
#: Where a column keeps, in the table's own metadata, the name of the property and what it is at the source.
PROPERTY = "cdf.property"
KIND = "cdf.kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``name`` in the table; ``source_name`` at the source, spelled as there. ``about``: more for the table's metadata (unit …)."""

    name: str
    kind: Kind
    is_list: bool = False
    nullable: bool = True
    source_name: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, str]:
        """What the table remembers of this column."""
        return {KIND: self.kind, PROPERTY: self.source_name or self.name, **self.about}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """``key``: columns that no two rows of the table share. ``partition_by``: columns that are folders."""

    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def with_columns(self, *more: Column) -> TableSchema:
        return TableSchema(columns=(*self.columns, *more), key=self.key, partition_by=self.partition_by)

    def without(self, *names: str) -> TableSchema:
        kept = tuple(column for column in self.columns if column.name not in names)
        return TableSchema(columns=kept, key=self.key, partition_by=self.partition_by)


def column_names(
    properties: Iterable[str], known: Mapping[str, str] | None = None, *, spelled: Callable[[str], str] = str
) -> dict[str, str]:
    """property -> column. Delta tells no ``Name`` from ``name``, so the later of two gets a number: ``name__2``.

    ``known``: what an existing table calls its properties, which never changes. ``spelled``: how a property is written as a column.
    """
    names = dict(known or {})
    taken = {name.lower() for name in names.values()}
    for one in properties:
        if one in names:
            continue
        name, number = spelled(one), 1
        while name.lower() in taken:
            number += 1
            name = f"{spelled(one)}__{number}"
        names[one] = name
        taken.add(name.lower())
    return names


#: Characters that other readers of Delta do not take in the name of a column.
_NO_NAME = re.compile(r"[ ,;{}()\n\t=`\"]")


def portable(name: str) -> str:
    """A name that every reader takes."""
    return _NO_NAME.sub("_", name)


def quoted(name: str) -> str:
    """A column in SQL of Delta (DataFusion): case, dashes and leading digits stay."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"
