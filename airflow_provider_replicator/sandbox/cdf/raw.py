# SPDX-License-Identifier: Apache-2.0
"""``/raw``: databases, tables and rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.payload import body
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.raw_table import Row, Table, Window

Handler = Callable[[Project, Request], Response]
Database = dict[str, Table]

MAX_NAMES, MAX_ROWS, MAX_CURSORS, DEFAULT_CURSORS, DEFAULT_LIMIT = 1_000, 10_000, 10_000, 10, 25
MAX_KEY_CHARACTERS, MAX_ROW_BYTES = 1_024, 5 * 1024 * 1024
_MAX_DATABASE_NAME, _MAX_TABLE_NAME = 32, 64
_ROWS = "/raw/dbs/{dbName}/tables/{tableName}/rows"


def routes() -> list[tuple[str, str, Handler]]:
    return [
        ("GET", "/raw/dbs", list_databases),
        ("POST", "/raw/dbs", create_databases),
        ("POST", "/raw/dbs/delete", delete_databases),
        ("GET", "/raw/dbs/{dbName}/tables", list_tables),
        ("POST", "/raw/dbs/{dbName}/tables", create_tables),
        ("POST", "/raw/dbs/{dbName}/tables/delete", delete_tables),
        ("GET", "/raw/dbs/{dbName}/tables/{tableName}/cursors", list_cursors),
        ("GET", _ROWS, list_rows),
        ("POST", _ROWS, insert_rows),
        ("POST", _ROWS + "/delete", delete_rows),
        ("GET", _ROWS + "/{rowKey}", get_row),
    ]


def databases_of(project: Project) -> dict[str, Database]:
    return project.extension("raw", lambda _: {})


# -- databases and tables -----------------------------------------------------------------------------------------------


def list_databases(project: Project, request: Request) -> Response:
    return _list_names(project, request, sorted(databases_of(project)), ["raw/dbs"])


def create_databases(project: Project, request: Request) -> Response:
    names = _names(body(request), _MAX_DATABASE_NAME)
    databases = databases_of(project)
    _refuse_existing("databases", names, databases)
    databases.update({name: {} for name in names})
    return _created(names)


def delete_databases(project: Project, request: Request) -> Response:
    content = body(request)
    names = _names(content, _MAX_DATABASE_NAME)
    databases = databases_of(project)
    _refuse_unknown("databases", names, databases)
    filled = [name for name in names if databases[name]]
    if filled and content.get("recursive") is not True:
        raise ApiError(
            400, f"Following databases are not empty: {', '.join(filled)}. Delete their tables first, or use recursive"
        )
    for name in names:
        del databases[name]
    return Response()


def list_tables(project: Project, request: Request) -> Response:
    database = _database(project, request)
    return _list_names(project, request, sorted(database), ["raw/tables", request.params["dbName"]])


def create_tables(project: Project, request: Request) -> Response:
    names = _names(body(request), _MAX_TABLE_NAME)
    if _is_true(request, "ensureParent"):
        database = databases_of(project).setdefault(_checked_name(request.params["dbName"], _MAX_DATABASE_NAME), {})
    else:
        database = _database(project, request)
    _refuse_existing("tables", names, database)
    database.update({name: Table() for name in names})
    return _created(names)


def delete_tables(project: Project, request: Request) -> Response:
    names = _names(body(request), _MAX_TABLE_NAME)
    database = _database(project, request)
    _refuse_unknown("tables", names, database)
    for name in names:
        del database[name]
    return Response()


def _database(project: Project, request: Request) -> Database:
    name = request.params["dbName"]
    database = databases_of(project).get(name)
    if database is None:
        raise ApiError(404, f"Following databases not found: {name}")
    return database


def _table(project: Project, request: Request) -> Table:
    name = request.params["tableName"]
    table = _database(project, request).get(name)
    if table is None:
        raise ApiError(404, f"Following tables not found: {name}")
    return table


def _names(content: dict[str, Any], longest: int) -> list[str]:
    items = _items(content, MAX_NAMES)
    names = [_checked_name(item.get("name"), longest) for item in items]
    if len(set(names)) != len(names):
        raise ApiError(400, "items must not repeat a name")
    return names


def _checked_name(name: Any, longest: int) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= longest:
        raise ApiError(400, f"name must have 1 to {longest} characters: {name!r}")
    return name


def _refuse_existing(what: str, names: list[str], existing: dict[str, Any]) -> None:
    if found := [name for name in names if name in existing]:
        raise ApiError(400, f"Following {what} are already created: {', '.join(found)}")


def _refuse_unknown(what: str, names: list[str], existing: dict[str, Any]) -> None:
    if unknown := [name for name in names if name not in existing]:
        raise ApiError(404, f"Following {what} not found: {', '.join(unknown)}")


def _created(names: list[str]) -> Response:
    return Response(201, orjson.dumps({"items": [{"name": name} for name in names]}))


def _list_names(project: Project, request: Request, names: list[str], scope: list[str]) -> Response:
    limit = _page_size(project, _integer(request, "limit", DEFAULT_LIMIT, 1, MAX_NAMES))
    cursor = _text(request, "cursor")
    begin = 0 if cursor is None else bisect_right(names, project.cursors.read(scope, cursor))
    page = names[begin : begin + limit]
    answer: dict[str, Any] = {"items": [{"name": name} for name in page]}
    if begin + limit < len(names):
        answer["nextCursor"] = project.cursors.make(scope, page[-1])
    return Response(body=orjson.dumps(answer))


# -- rows ---------------------------------------------------------------------------------------------------------------


def list_rows(project: Project, request: Request) -> Response:
    table = _table(project, request)
    window, begin, end = _window(request), None, None
    cursor = _text(request, "cursor")
    if cursor is not None:  # what it was made for wins over the time filters of this request
        begin, end, after, until = project.cursors.read(_scope(request), cursor)
        window = Window(after, until)
    limit = _page_size(project, _integer(request, "limit", DEFAULT_LIMIT, 1, MAX_ROWS))
    rows, following = table.page(window, begin, end, limit)
    answer = b'{"items":[' + b",".join(_projected(rows, _text(request, "columns"))) + b"]"
    if following is not None:
        position = [following, end, window.after, window.until]
        answer += b',"nextCursor":' + orjson.dumps(project.cursors.make(_scope(request), position))
    return Response(body=answer + b"}")


def list_cursors(project: Project, request: Request) -> Response:
    table = _table(project, request)
    window = _window(request)
    count = _integer(request, "numberOfCursors", DEFAULT_CURSORS, 1, MAX_CURSORS)
    positions = [[begin, end, window.after, window.until] for begin, end in table.ranges(window, count)]
    return Response(
        body=orjson.dumps({"items": [project.cursors.make(_scope(request), position) for position in positions]})
    )


def get_row(project: Project, request: Request) -> Response:
    row = _table(project, request).rows.get(request.params["rowKey"])
    if row is None:
        raise ApiError(404, f"Row not found: {request.params['rowKey']}")
    return Response(body=row.encoded)


def insert_rows(project: Project, request: Request) -> Response:
    rows = [_row(item) for item in _items(body(request), MAX_ROWS)]
    if _is_true(request, "ensureParent"):
        database = databases_of(project).setdefault(_checked_name(request.params["dbName"], _MAX_DATABASE_NAME), {})
        table = database.setdefault(_checked_name(request.params["tableName"], _MAX_TABLE_NAME), Table())
    else:
        table = _table(project, request)
    if len(request.body) > MAX_ROW_BYTES and any(len(orjson.dumps(columns)) > MAX_ROW_BYTES for _, columns in rows):
        raise ApiError(400, f"The columns of a row are limited to {MAX_ROW_BYTES} bytes")
    table.upsert(rows, time=project.next_timestamp())
    return Response()


def delete_rows(project: Project, request: Request) -> Response:
    keys = [_key(item) for item in _items(body(request), MAX_ROWS)]
    _table(project, request).delete(keys)
    return Response()


def _row(item: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    columns = item.get("columns")
    if not isinstance(columns, dict):
        raise ApiError(400, "Every row must have columns, a JSON object")
    return _key(item), columns


def _key(item: dict[str, Any]) -> str:
    key = item.get("key")
    if not isinstance(key, str) or len(key) > MAX_KEY_CHARACTERS:
        raise ApiError(400, f"Every row must have a key of at most {MAX_KEY_CHARACTERS} characters")
    return key


def _projected(rows: list[Row], columns: str | None) -> list[bytes]:
    """``columns`` empty: all; a single comma: none; else the named ones, in this order."""
    if not columns:
        return [row.encoded for row in rows]
    names = [name for name in columns.split(",") if name]
    if not names:
        return [row.encoded[: row.start] + b"{}" + row.encoded[row.end :] for row in rows]
    return [row.encoded[: row.start] + _selected(row.columns, names) + row.encoded[row.end :] for row in rows]


def _selected(columns: bytes, names: list[str]) -> bytes:
    values = orjson.loads(columns)
    return orjson.dumps({name: values[name] for name in names if name in values})


def _window(request: Request) -> Window:
    return Window(_time(request, "minLastUpdatedTime"), _time(request, "maxLastUpdatedTime"))


def _scope(request: Request) -> list[str]:
    return ["raw/rows", request.params["dbName"], request.params["tableName"]]


# -- parameters ---------------------------------------------------------------------------------------------------------


def _items(content: dict[str, Any], maximum: int) -> list[dict[str, Any]]:
    items = content.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, "items must be a list of objects")
    if len(items) > maximum:
        raise ApiError(400, f"items must have at most {maximum} elements, has {len(items)}")
    return items


def _text(request: Request, name: str) -> str | None:
    values = request.query.get(name)
    return values[0] if values else None


def _integer(request: Request, name: str, default: int, minimum: int, maximum: int) -> int:
    value = _text(request, name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not minimum <= int(value) <= maximum:
        raise ApiError(400, f"{name} must be an integer between {minimum} and {maximum}")
    return int(value)


def _time(request: Request, name: str) -> int | None:
    return None if not _text(request, name) else _integer(request, name, 0, 0, (1 << 63) - 1)


def _is_true(request: Request, name: str) -> bool:
    return (_text(request, name) or "").lower() == "true"


def _page_size(project: Project, limit: int) -> int:
    """What the client asked for, or less if the sandbox is told to give short pages."""
    return min(limit, project.settings.short_pages or limit)
