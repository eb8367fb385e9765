# SPDX-License-Identifier: Apache-2.0
"""From JSON values to Arrow columns, strictly: a value that does not fit is named, never bent.

A whole column is tried at once; only when that fails is it looked at value by value, to name the rows that are to blame.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from airflow_provider_replicator.lake.columns import Column, Kind, TableSchema

_INTEGERS = {"int32": 31, "int64": 63}
#: How JSON spells what it has no numbers for.
_NO_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FLOAT32_MAX = 3.4028235677973366e38


def arrow_type(kind: Kind, *, is_list: bool = False) -> pa.DataType:
    """The Arrow type of a column."""
    import pyarrow as pa

    text = pa.string()
    types: dict[str, Callable[[], pa.DataType]] = {
        "text": pa.string,
        "boolean": pa.bool_,
        "int32": pa.int32,
        "int64": pa.int64,
        "float32": pa.float32,
        "float64": pa.float64,
        "timestamp": lambda: pa.timestamp("us", "UTC"),
        "date": pa.date32,
        "json": pa.string,
        "reference": lambda: pa.struct([("space", text), ("externalId", text)]),
        "map": lambda: pa.map_(text, text),
    }
    plain = types[kind]()
    return pa.list_(plain) if is_list else plain


def arrow_schema(schema: TableSchema) -> pa.Schema:
    """The declared schema as Arrow's, with what each column is at the source in its metadata."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(
                column.name, arrow_type(column.kind, is_list=column.is_list), column.nullable, metadata=column.metadata
            )
            for column in schema.columns
        ]
    )


def column_array(column: Column, values: Sequence[Any]) -> tuple[pa.Array, dict[int, str]]:
    """(the column, {index: why} of the values that do not fit; they are null in the column).

    Values are as JSON has them: timestamps ISO 8601 with zone, or milliseconds since 1970; dates ISO 8601; references
    {space, externalId}.
    """
    import pyarrow as pa

    kind = arrow_type(column.kind, is_list=column.is_list)
    if column.nullable and not any(value is not None for value in values):
        return pa.nulls(len(values), kind), {}
    try:
        fast = _FAST[column.kind]
        array = _list_array(values, kind, fast) if column.is_list else fast(values, kind)
        if column.nullable or not array.null_count:
            return array, {}
    except (pa.ArrowException, TypeError, ValueError, OverflowError, KeyError, AttributeError):
        pass  # some value is to blame
    checked, misfits = _checked(column, values)
    return pa.array(checked, kind), misfits


def _checked(column: Column, values: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
    check = _CHECKS[column.kind]
    checked: list[Any] = []
    misfits = {}
    for index, value in enumerate(values):
        try:
            checked.append(None if value is None else _each(check, value) if column.is_list else check(value))
            if value is None and not column.nullable:
                misfits[index] = f"{column.source_name or column.name} is missing"
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError):
            checked.append(None)
            expected = f"a list of {column.kind}" if column.is_list else column.kind
            misfits[index] = f"{column.source_name or column.name}: {_short(value)} is no {expected}"
    return checked, misfits


def _each(check: Callable[[Any], Any], values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError
    return [None if value is None else check(value) for value in values]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


# -- whole columns


def _text_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if bytes in set(map(type, values)):
        raise TypeError
    return pa.array(values, kind)


def _number_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    types = set(map(type, values))
    if bool in types or (float in types and pa.types.is_integer(kind)):  # Arrow would cut 1.5 to 1
        raise TypeError
    if pa.types.is_float32(kind):
        wide = pa.array(values, pa.float64())
        narrow = wide.cast(kind, safe=False)
        if _largest(wide) > _FLOAT32_MAX:
            raise OverflowError
        return narrow
    return pa.array(values, kind)


def _largest(array: pa.Array) -> float:
    import pyarrow.compute as pc

    finite = pc.if_else(pc.is_finite(array), array, 0.0)
    return float(pc.max(pc.abs(finite)).as_py() or 0.0)


def _boolean_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, kind)


def _timestamp_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    types = set(map(type, values)) - {type(None)}
    if types == {int}:
        return pa.array(values, pa.int64()).cast(pa.timestamp("ms", "UTC")).cast(kind)
    if types - {str}:
        raise TypeError
    return pa.array(values, pa.string()).cast(kind)


def _date_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string()).cast(kind)


def _json_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if value is None else _json(value) for value in values], kind)


def _list_array(
    values: Sequence[Any], kind: pa.DataType, fast: Callable[[Sequence[Any], pa.DataType], pa.Array]
) -> pa.Array:
    import pyarrow as pa

    if set(map(type, values)) - {list, type(None)}:
        raise TypeError
    flat = fast(list(chain.from_iterable(value for value in values if value)), kind.value_type)
    return pa.ListArray.from_arrays(_offsets(values), flat, type=kind)


def _map_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if set(map(type, values)) - {dict, type(None)}:
        raise TypeError
    names = _text_array(list(chain.from_iterable(value for value in values if value)), pa.string())
    texts = _text_array(list(chain.from_iterable(value.values() for value in values if value)), pa.string())
    if names.null_count or texts.null_count:
        raise TypeError
    return pa.MapArray.from_arrays(_offsets(values), names, texts, type=kind)


def _offsets(values: Sequence[Any]) -> pa.Array:
    """Where each list begins, and where the last one ends. Null where there is no list."""
    import pyarrow as pa

    ends = list(accumulate((len(value) if value else 0 for value in values), initial=0))
    starts = [None if value is None else start for value, start in zip(values, ends, strict=False)]
    return pa.array([*starts, ends[-1]], pa.int32())


def _reference_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    given = [value is None for value in values]
    parts = [
        _text_array([None if value is None else value[name] for value in values], pa.string())
        for name in ("space", "externalId")
    ]
    if any(part.null_count != sum(given) for part in parts):
        raise TypeError
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=pa.array(given))


_FAST: dict[Kind, Callable[[Sequence[Any], pa.DataType], pa.Array]] = {
    "text": _text_array,
    "boolean": _boolean_array,
    "int32": _number_array,
    "int64": _number_array,
    "float32": _number_array,
    "float64": _number_array,
    "timestamp": _timestamp_array,
    "date": _date_array,
    "json": _json_array,
    "reference": _reference_array,
    "map": _map_array,
}


# -- one value


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # half a surrogate pair is no text
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _integer(bits: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise TypeError
        number = int(value)
        if not -(1 << bits) <= number < 1 << bits:
            raise OverflowError
        return number

    return check


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        if value not in _NO_NUMBERS:
            raise ValueError
        return _NO_NUMBERS[value]
    return float(value)


def _float32(value: Any) -> float:
    number = _float(value)
    if math.isfinite(number) and abs(number) > _FLOAT32_MAX:
        raise OverflowError
    return number


def _timestamp(value: Any) -> int:
    """Microseconds since 1970, UTC."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not -(1 << 63) <= value * 1000 < 1 << 63:
            raise OverflowError
        return value * 1000
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    since = moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _date(value: Any) -> date:
    if not isinstance(value, str):
        raise TypeError
    return date.fromisoformat(value)


def _reference(value: Any) -> dict[str, str]:
    return {"space": _text(value["space"]), "externalId": _text(value["externalId"])}


def _map(value: Any) -> list[tuple[str, str]]:
    return [(_text(name), _text(one)) for name, one in value.items()]


_CHECKS: dict[Kind, Callable[[Any], Any]] = {
    "text": _text,
    "boolean": _boolean,
    "int32": _integer(_INTEGERS["int32"]),
    "int64": _integer(_INTEGERS["int64"]),
    "float32": _float32,
    "float64": _float,
    "timestamp": _timestamp,
    "date": _date,
    "json": _json,
    "reference": _reference,
    "map": _map,
}


def batch(schema: TableSchema, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """The columns in the schema's order; those that are not given are null."""
    import pyarrow as pa

    declared = arrow_schema(schema)
    length = len(next(iter(columns.values()))) if columns else 0
    arrays = [
        columns[name] if name in columns else pa.nulls(length, declared.field(name).type) for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=declared)
