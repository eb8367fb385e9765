# SPDX-License-Identifier: Apache-2.0
"""Flat columns: what every reader of Parquet can open, Tableau's engine among them, which refuses the whole file otherwise.

====================  ==========================================================================
in the table          published as
====================  ==========================================================================
reference             two texts, ``name.space`` and ``name.externalId``
list                  JSON text, ``["a","b"]``; times in it ISO 8601, NaN and infinities as text
map                   JSON text, ``{"a":"b"}``
json                  the JSON text as it is
timestamp, date       the same: UTC, microseconds
numbers, text, flags  the same; integers below 32 bits as 32 bits
====================  ==========================================================================

No property of CDF has a dot in its name, so ``name.space`` is nobody else's; where a column of a raw table is called so all the same,
the later one gets a number: ``name.space__2``. What a column is comes from the table's own metadata, its order is the table's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.columns import KIND, PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from airflow_provider_replicator.lake.snapshots.options import Names

_BEFORE, _AFTER = '{"v":', "}"
_REFERENCE = ("space", "externalId")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatColumn:
    """``name`` and ``type`` in the file; ``column`` and ``kind`` in the table; ``property`` at the source."""

    name: str
    type: str
    column: str
    kind: str
    is_list: bool
    property: str
    about: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "column": self.column,
            "kind": self.kind,
            "list": self.is_list,
            "property": self.property,
            **({"about": dict(self.about)} if self.about else {}),
        }


def flatten(
    frame: pl.LazyFrame, metadata: Mapping[str, Mapping[str, str]], *, names: Names = "column"
) -> tuple[pl.LazyFrame, list[FlatColumn]]:
    """The frame with flat columns only, and what they are. ``metadata``: column -> what the table remembers of it."""
    taken: set[str] = set()
    expressions = []
    columns = []
    for column, of_type in frame.collect_schema().items():
        about = dict(metadata.get(column, {}))
        kind, source = about.pop(KIND, ""), about.pop(PROPERTY, column)
        # A column of our own keeps its underscore: the property at the source may well be called the same without.
        base = source if names == "property" and not column.startswith("_") else column
        for suffix, expression in _flat(column, of_type, kind):
            name = _free(base + suffix, taken, fold=names == "column")
            expressions.append(expression.alias(name))
            columns.append((name, column, kind, _is_list(of_type), source, about))
    flat = frame.select(expressions)
    types = flat.collect_schema()
    return flat, [
        FlatColumn(
            name=name,
            type=_type_name(types[name]),
            column=column,
            kind=kind or _type_name(types[name]),
            is_list=is_list,
            property=source,
            about=about,
        )
        for name, column, kind, is_list, source, about in columns
    ]


def _free(wanted: str, taken: set[str], *, fold: bool) -> str:
    name, number = wanted, 1
    while (name.lower() if fold else name) in taken:
        number += 1
        name = f"{wanted}__{number}"
    taken.add(name.lower() if fold else name)
    return name


def _flat(column: str, of_type: pl.DataType, kind: str) -> Iterator[tuple[str, pl.Expr]]:
    """(what is added to the name, expression) of each flat column."""
    import polars as pl

    whole = pl.col(column)
    if isinstance(of_type, pl.Struct) and tuple(part.name for part in of_type.fields) == _REFERENCE:
        for part in _REFERENCE:
            yield f".{part}", whole.struct.field(part)
    elif isinstance(of_type, pl.List):
        yield "", _list_text(whole, of_type, kind)
    elif of_type.is_nested():
        yield "", _json_text(whole)
    elif of_type in (pl.Int8, pl.Int16):
        yield "", whole.cast(pl.Int32)
    elif of_type == pl.Null:
        yield "", whole.cast(pl.String)
    else:
        yield "", whole


def _list_text(whole: pl.Expr, of_type: pl.List, kind: str) -> pl.Expr:
    import polars as pl

    if kind == "json":
        return _joined(whole.list.eval(pl.element().fill_null("null")))
    if of_type.inner in (pl.Float32, pl.Float64):
        return _joined(whole.list.eval(_number_text(pl.element())))
    return _json_text(whole)


def _number_text(number: pl.Expr) -> pl.Expr:
    """JSON has no word for NaN and infinities: they are texts, as CDF has them."""
    import polars as pl

    return (
        pl.when(number.is_null())
        .then(pl.lit("null"))
        .when(number.is_nan())
        .then(pl.lit('"NaN"'))
        .when(number.is_infinite())
        .then(pl.when(number > 0).then(pl.lit('"Infinity"')).otherwise(pl.lit('"-Infinity"')))
        .otherwise(number.cast(pl.String))
    )


def _joined(texts: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(texts.is_not_null()).then(pl.concat_str(pl.lit("["), texts.list.join(","), pl.lit("]")))


def _json_text(whole: pl.Expr) -> pl.Expr:
    import polars as pl

    encoded = pl.struct(whole.alias("v")).struct.json_encode()
    return pl.when(whole.is_not_null()).then(encoded.str.strip_prefix(_BEFORE).str.strip_suffix(_AFTER))


def _is_list(of_type: pl.DataType) -> bool:
    import polars as pl

    return isinstance(of_type, pl.List)


def _type_name(of_type: pl.DataType) -> str:
    """What the type is called in the manifest."""
    name = str(of_type.base_type()).lower()
    return {"string": "text", "datetime": "timestamp"}.get(name, name)
