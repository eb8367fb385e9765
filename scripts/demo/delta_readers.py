# SPDX-License-Identifier: Apache-2.0
"""Readers of tables and published files that are not ours: DuckDB, Polars, and Tableau's engine where it is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import duckdb
import numpy as np
import polars as pl
from duckdb_extensions import import_extension

from scripts.demo import delta_content, model
from scripts.demo.delta_content import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from cognite.client import CogniteClient

    from airflow_provider_replicator.sandbox.s3.running import RunningS3
    from scripts.demo.delta_content import Rows
    from scripts.demo.model import Property

#: The prefix of the connection that the demo and make up set.
PREFIX = "cdf"
#: Where DuckDB keeps the extensions that came with its wheels: not in the home of whoever runs this.
EXTENSIONS = Path(__file__).resolve().parent.parent.parent / "build" / "duckdb"


@dataclass(frozen=True, slots=True)
class Content:
    rows: int
    digest: str


def formats() -> list[str]:
    """What can be published here."""
    return ["parquet", "hyper"] if importlib.util.find_spec("tableauhyperapi") else ["parquet"]


@cache
def _duckdb(endpoint: str, key: str, secret: str) -> duckdb.DuckDBPyConnection:
    EXTENSIONS.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"extension_directory": str(EXTENSIONS)})
    for name in ("httpfs", "delta"):
        import_extension(name, con=connection)
        connection.load_extension(name)
    connection.sql("SET TimeZone = 'UTC'")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', ENDPOINT '{endpoint.removeprefix('http://')}', "
        "URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')"
    )
    return connection


def _connect(s3: RunningS3) -> duckdb.DuckDBPyConnection:
    return _duckdb(s3.url, s3.access_key, s3.secret_key)


def _uri(s3: RunningS3, path: str) -> str:
    return f"s3://{s3.bucket}/{PREFIX}/{path}"


def _dictionaries(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = relation.to_arrow_table().to_pylist()
    return rows


def duckdb_table(s3: RunningS3, path: str) -> list[dict[str, Any]]:
    """The rows of a Delta table, by DuckDB's ``delta_scan``."""
    return _dictionaries(_connect(s3).sql(f"SELECT * FROM delta_scan('{_uri(s3, path)}')"))  # noqa: S608


def polars_table(s3: RunningS3, path: str) -> Iterable[dict[str, Any]]:
    options = {
        "AWS_ENDPOINT_URL": s3.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
    }
    return pl.scan_delta(_uri(s3, path), storage_options=options).collect().iter_rows(named=True)


# -- events, datapoints, raw rows


def expected_of_source(client: CogniteClient) -> dict[str, Content]:
    """path of a table -> what the source has, as the official SDK shows it."""
    events = {event.external_id or "": _event(event.dump()) for event in client.events.list(limit=None)}
    expected = {"resources/events": _content(events)}
    names = [series.external_id or "" for series in client.time_series.list(limit=None)]
    found = client.time_series.data.retrieve_arrays(external_id=names)
    arrays = [
        (item.external_id, item.timestamp.astype("datetime64[ms]").astype(np.int64), item.value) for item in found
    ]
    expected["datapoints/datapoints"] = _points((str(name), times, values) for name, times, values in arrays)
    for database in client.raw.databases.list(limit=None):
        for table in client.raw.tables.list(str(database.name), limit=None):
            rows = client.raw.rows.list(str(database.name), str(table.name), limit=None)
            path = f"raw/{database.name}/{table.name}"
            expected[path] = _content({str(row.key): {"columns": row.columns} for row in rows})
    return expected


def content(s3: RunningS3, path: str) -> Content:
    """The same of a table, by DuckDB."""
    if path == "resources/events":
        return _content({row["externalId"]: _event(row) for row in duckdb_table(s3, path)})
    if path.startswith("raw/"):
        return _content({row["_key"]: {"columns": json.loads(row["columns"])} for row in duckdb_table(s3, path)})
    query = f"SELECT externalId, epoch_ms(timestamp) AS t, value FROM delta_scan('{_uri(s3, path)}') ORDER BY 1, 2"  # noqa: S608
    columns = _connect(s3).sql(query).fetchnumpy()
    names = columns["externalId"].astype(str)
    found = ((str(name), columns["t"][names == name], columns["value"][names == name]) for name in np.unique(names))
    return _points(found)


def _content(rows: Rows) -> Content:
    return Content(len(rows), content_hash(rows))


def _points(series: Iterable[tuple[str, Any, Any]]) -> Content:
    digest, count = hashlib.sha256(), 0
    for name, times, values in sorted(series, key=lambda one: one[0]):
        digest.update(name.encode() + np.ascontiguousarray(times, np.int64).tobytes())
        digest.update(np.ascontiguousarray(values, np.float64).tobytes())
        count += len(times)
    return Content(count, digest.hexdigest())


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: row.get(name) for name in ("startTime", "endTime", "lastUpdatedTime")}
    return {
        **{name: row.get(name) for name in ("id", "type", "description", "source", "assetIds", "dataSetId")},
        "metadata": dict(row.get("metadata") or {}),
        **{name: value if value is None or isinstance(value, int) else _ms(value) for name, value in times.items()},
    }


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# -- snapshots


def manifest(s3: RunningS3, snapshot: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_get(s3, f"publish/{snapshot}/manifest.json"))
    return found


def _get(s3: RunningS3, key: str) -> bytes:
    client = boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
    )
    data: bytes = client.get_object(Bucket=s3.bucket, Key=f"{PREFIX}/{key}")["Body"].read()
    return data


def read_published(
    s3: RunningS3,
    engine: Any,
    table: Mapping[str, Any],
    expected: int,
    digest: str | None,
    properties: Mapping[str, Property] | None,
) -> dict[str, Any]:
    """One published table, by every reader: whether it has so many rows and, where the content is known (``properties`` of a
    view, and the hash of what it must hold), whether it has that. ``engine`` is that of :func:`tableau`; ``hyper_ok`` is None where
    it is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for form, published in table["files"].items():
            files[form] = Path(folder) / f"table.{form}"
            files[form].write_bytes(_get(s3, published["key"]))
        by_duckdb = _dictionaries(_connect(s3).read_parquet(str(files["parquet"])))
        by_polars = pl.read_parquet(files["parquet"]).rows(named=True)
        found: dict[str, Any] = {"rows": len(by_duckdb)}
        for name, rows in (("duckdb_ok", by_duckdb), ("polars_ok", by_polars)):
            found[name] = len(rows) == expected and _is(rows, digest, properties)
        hyper = None if engine is None else _hyper_rows(engine, files)
        found["hyper_ok"] = None if hyper is None else [len(rows) for rows in hyper] == [expected] * len(hyper)
        if hyper and properties is not None:
            found["hyper_ok"] = found["hyper_ok"] and all(_is(rows, digest, properties) for rows in hyper)
        return found


def _is(rows: Iterable[Mapping[str, Any]], digest: str | None, properties: Mapping[str, Property] | None) -> bool:
    if digest is None or properties is None:
        return True
    return content_hash(delta_content.of_table(map(_nested, rows), properties)) == digest


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """References are two columns in a flat file: ``name.space`` and ``name.externalId``."""
    nested: dict[str, Any] = {}
    for name, value in row.items():
        outer, _, inner = name.partition(".")
        if not inner:
            nested[name] = value
        elif value is not None:
            nested.setdefault(outer, {})[inner] = value
    return nested


@contextmanager
def tableau() -> Iterator[Any]:
    """Tableau's engine, running; None where it is not installed."""
    if "hyper" not in formats():
        yield None
        return
    from tableauhyperapi import HyperProcess, Telemetry

    with HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_config": ""}) as process:
        yield process


def _hyper_rows(engine: Any, files: Mapping[str, Path]) -> list[list[dict[str, Any]]]:
    """What Tableau's engine reads: the Parquet file itself, and the extract."""
    from tableauhyperapi import Connection, escape_string_literal

    with Connection(engine.endpoint) as connection:
        query = f"SELECT * FROM external({escape_string_literal(str(files['parquet']))})"  # noqa: S608
        external = _all_rows(connection, query)
    with Connection(engine.endpoint, str(files["hyper"])) as connection:
        schemas = connection.catalog.get_schema_names()
        (name,) = (table for schema in schemas for table in connection.catalog.get_table_names(schema))
        return [external, _all_rows(connection, f"SELECT * FROM {name}")]  # noqa: S608


def _all_rows(connection: Any, query: str) -> list[dict[str, Any]]:
    with connection.execute_query(query) as result:
        names = [column.name.unescaped for column in result.schema.columns]
        return [{name: _python(value) for name, value in zip(names, row, strict=True)} for row in result]


def _python(value: Any) -> Any:
    """Tableau's own types of dates and times, as Python's."""
    to_date, to_datetime = getattr(value, "to_date", None), getattr(value, "to_datetime", None)
    if to_datetime is not None:
        return to_datetime()
    return to_date() if to_date is not None else value


def edges(client: CogniteClient) -> Rows:
    """All edges of the demo's data space, as the table of edges without a view has them."""
    found = client.data_modeling.instances.list(instance_type="edge", space=model.DATA_SPACE, limit=None)
    return {f"{edge.space}/{edge.external_id}": delta_content.of_instance(edge.dump(), {}) for edge in found}
