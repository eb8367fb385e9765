# SPDX-License-Identifier: Apache-2.0
"""``/sequences/data``: insert, list, latest and delete the rows of sequences."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_replicator.sandbox.cdf import payload
from airflow_provider_replicator.sandbox.cdf.fields import MAX_TIME, integer
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.project import Project

Handler = Callable[[Project, Request], Response]
Document = dict[str, Any]
Row = dict[str, Any]

MAX_ITEMS, MAX_ROWS, MAX_VALUES, MAX_COLUMNS_WRITTEN, MAX_COLUMNS_READ = 1_000, 10_000, 100_000, 200, 400
MAX_TEXT, MAX_NUMBER, DEFAULT_LIMIT = 256, 1e100, 100
_LONGS = (-(1 << 63), (1 << 63) - 1)
#: A page is limited by what its rows may take: so many bytes, by the width of the columns' types.
_PAGE_BYTES = 15 * 1024 * 1024
_WIDTHS = {"STRING": MAX_TEXT, "LONG": 8, "DOUBLE": 8}


def routes() -> list[tuple[str, str, Handler]]:
    return [
        ("POST", "/sequences/data", insert),
        ("POST", "/sequences/data/list", list_rows),
        ("POST", "/sequences/data/latest", latest),
        ("POST", "/sequences/data/delete", delete),
    ]


class Rows:
    """The rows of one sequence: values by column, and the row numbers in order."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._numbers: list[int] | None = []

    def merge(self, number: int, values: Row) -> None:
        """Columns that are not in ``values`` stay as they are."""
        found = self.rows.get(number)
        if found is None:
            self.rows[number] = values
            self._numbers = None
        else:
            found.update(values)

    def delete(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if self.rows.pop(number, None) is not None:
                self._numbers = None

    @property
    def numbers(self) -> list[int]:
        if self._numbers is None:
            self._numbers = sorted(self.rows)
        return self._numbers


def _all_rows(project: Project) -> dict[int, Rows]:
    return project.extension("sequence_rows", _make)


def _make(project: Project) -> dict[int, Rows]:
    every: dict[int, Rows] = {}

    def forget(documents: Iterable[Document]) -> None:
        for document in documents:
            every.pop(document["id"], None)

    project.sequences.on_delete.append(forget)
    return every


def _rows_of(project: Project, sequence: Document) -> Rows:
    return _all_rows(project).setdefault(sequence["id"], Rows())


def _sequence(project: Project, item: Document, path: str) -> Document:
    identifier = payload.identifier_of(item, path)
    found = project.sequences.resolve(identifier)
    if found is None:
        raise ApiError(400, "Sequences not found", missing=[identifier])
    return found


# -- write --------------------------------------------------------------------------------------------------------------


def insert(project: Project, request: Request) -> Response:
    items = payload.items(payload.body(request), MAX_ITEMS)
    sequences = _sequences(project, items)
    _check_size(items)
    checked = [
        _checked(item, sequence, f"items[{n}]") for n, (item, sequence) in enumerate(zip(items, sequences, strict=True))
    ]
    for sequence, rows in zip(sequences, checked, strict=True):
        table = _rows_of(project, sequence)
        for number, values in rows:
            table.merge(number, values)
    return Response()


def _sequences(project: Project, items: list[Document]) -> list[Document]:
    identifiers = [payload.identifier_of(item, f"items[{n}]") for n, item in enumerate(items)]
    found = [project.sequences.resolve(identifier) for identifier in identifiers]
    missing = [identifier for identifier, sequence in zip(identifiers, found, strict=True) if sequence is None]
    if missing:
        raise ApiError(400, "Sequences not found", missing=missing)
    return [sequence for sequence in found if sequence is not None]


def _check_size(items: list[Document]) -> None:
    lists = [item.get("rows") for item in items]
    if any(type(rows) is not list or not rows for rows in lists):
        raise ApiError(400, "rows must be a list of at least one row")
    rows = [row for part in lists for row in part or ()]
    if len(rows) > MAX_ROWS:
        raise ApiError(400, f"A request is limited to {MAX_ROWS} rows, has {len(rows)}")
    values = sum(len(row["values"]) for row in rows if isinstance(row, dict) and isinstance(row.get("values"), list))
    if values > MAX_VALUES:
        raise ApiError(400, f"A request is limited to {MAX_VALUES} values, has {values}")


def _checked(item: Document, sequence: Document, path: str) -> list[tuple[int, Row]]:
    names = _column_names(item.get("columns"), MAX_COLUMNS_WRITTEN, path)
    columns = _selected(sequence, names)
    checks = [(column["externalId"], _CHECKS[column["valueType"]]) for column in columns]
    return [_row(row, checks, f"{path}.rows[{n}]") for n, row in enumerate(item["rows"])]


def _row(row: Any, checks: list[tuple[str, Callable[[Any], bool]]], path: str) -> tuple[int, Row]:
    if not isinstance(row, dict) or not isinstance(row.get("values"), list):
        raise ApiError(400, f"{path}: expected an object with rowNumber and values")
    number = payload.checked(f"{path}.rowNumber", integer(0, MAX_TIME), row.get("rowNumber"))
    values = row["values"]
    if len(values) != len(checks):
        raise ApiError(400, f"{path}.values: expected {len(checks)} values, one per column, has {len(values)}")
    for (name, check), value in zip(checks, values, strict=True):
        if value is not None and not check(value):
            raise ApiError(400, f"{path}.values: {value!r:.80} is not allowed in column {name}")
    return number, {name: value for (name, _), value in zip(checks, values, strict=True)}


def _is_long(value: Any) -> bool:
    return type(value) is int and _LONGS[0] <= value <= _LONGS[1]


def _is_double(value: Any) -> bool:
    return type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


_CHECKS: dict[str, Callable[[Any], bool]] = {"LONG": _is_long, "DOUBLE": _is_double, "STRING": _is_text}


def delete(project: Project, request: Request) -> Response:
    items = payload.items(payload.body(request), MAX_ITEMS)
    sequences = _sequences(project, items)
    for n, item in enumerate(items):
        rows = item.get("rows")
        if type(rows) is not list or not 1 <= len(rows) <= MAX_ROWS or set(map(type, rows)) != {int}:
            raise ApiError(400, f"items[{n}].rows: expected 1 to {MAX_ROWS} row numbers")
    for sequence, item in zip(sequences, items, strict=True):
        _rows_of(project, sequence).delete(item["rows"])
    return Response()


# -- read ---------------------------------------------------------------------------------------------------------------


def list_rows(project: Project, request: Request) -> Response:
    query = payload.body(request)
    sequence = _sequence(project, query, "query")
    columns = _wanted_columns(sequence, query)
    limit = payload.limit_of(query.get("limit"), DEFAULT_LIMIT, MAX_ROWS)
    limit = min(limit, _page_rows(columns), project.settings.short_pages or limit)
    start, end = _row_number(query, "start"), _row_number(query, "end")
    scope = ["sequences/data", sequence["id"], [column["externalId"] for column in columns]]
    if query.get("cursor") is not None:
        start, end = project.cursors.read(scope, query["cursor"])
    table = _rows_of(project, sequence)
    numbers = table.numbers
    low = bisect_left(numbers, start or 0)
    high = len(numbers) if end is None else bisect_left(numbers, end)
    stop = min(low + limit, high)
    answer = _described(sequence, columns, table, numbers[low:stop])
    if stop < high:
        answer["nextCursor"] = project.cursors.make(scope, [numbers[stop], end])
    return payload.json_answer(answer)


def latest(project: Project, request: Request) -> Response:
    """The last row, or the last before ``before``."""
    query = payload.body(request)
    sequence = _sequence(project, query, "query")
    columns = _wanted_columns(sequence, query)
    before = _row_number(query, "before")
    table = _rows_of(project, sequence)
    numbers = table.numbers
    high = len(numbers) if before is None else bisect_left(numbers, before)
    return payload.json_answer(_described(sequence, columns, table, numbers[max(0, high - 1) : high]))


def _described(sequence: Document, columns: list[Document], table: Rows, numbers: list[int]) -> Document:
    names = [column["externalId"] for column in columns]
    rows = [{"rowNumber": number, "values": [table.rows[number].get(name) for name in names]} for number in numbers]
    shown = [{key: column[key] for key in ("externalId", "name", "valueType") if key in column} for column in columns]
    answer = {"id": sequence["id"], "columns": shown, "rows": rows}
    return answer | {"externalId": sequence["externalId"]} if "externalId" in sequence else answer


def _wanted_columns(sequence: Document, query: Document) -> list[Document]:
    if query.get("columns") is None:
        return list(sequence["columns"])
    return _selected(sequence, _column_names(query["columns"], MAX_COLUMNS_READ, "query"))


def _column_names(names: Any, maximum: int, path: str) -> list[str]:
    if type(names) is not list or not 1 <= len(names) <= maximum or set(map(type, names)) != {str}:
        raise ApiError(400, f"{path}.columns: expected 1 to {maximum} external ids of columns")
    return names


def _selected(sequence: Document, names: list[str]) -> list[Document]:
    known = {column["externalId"]: column for column in sequence["columns"]}
    if unknown := [name for name in names if name not in known]:
        raise ApiError(400, f"Columns not found in sequence {sequence['id']}: {', '.join(unknown)}")
    return [known[name] for name in names]


def _row_number(query: Document, name: str) -> int | None:
    value = query.get(name)
    return None if value is None else int(payload.checked(name, integer(-MAX_TIME, MAX_TIME), value))


def _page_rows(columns: list[Document]) -> int:
    return max(1, _PAGE_BYTES // sum(_WIDTHS[column["valueType"]] for column in columns))
