# SPDX-License-Identifier: Apache-2.0
"""The replicated work orders in a Delta table, and what DuckDB and Polars find there.

What the table has to hold is what the *source* of the replication shows to plain requests, although the table is made from the target.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.demo import delta_readers
from scripts.demo.couch_documents import DATABASE
from scripts.demo.delta_content import content_hash, differences
from scripts.demo.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_replicator.sandbox.s3.running import RunningS3
    from scripts.demo.airflow import Airflow
    from scripts.demo.couch import Outcome
    from scripts.demo.couch_server import CouchServer
    from scripts.demo.delta_content import Rows
    from scripts.demo.reports import ReportReader

DAG = "export_cloudant_to_delta"
TABLE = "work_orders"
#: Declared columns: the type, and the field of the same name.
COLUMNS = {"title": "text", "status": "int32", "isSafetyCritical": "text", "equipment": "text[]"}


@dataclass(slots=True)
class CouchDeltaDemo:
    """``source`` is where the documents came from; the DAG reads the server that they were replicated to."""

    source: CouchServer
    s3: RunningS3
    airflow: Airflow
    reader: ReportReader

    def run(self, outcome: Outcome) -> None:
        """Make the table, read it, and put what was found into ``outcome``."""
        with step(f"cloudant, delta: airflow dags test {DAG}"):
            run_id = self.airflow.test_dag(DAG, conf(), log="dag-cloudant-delta")
        report = self.reader.read(DAG, run_id).get("documents") or {}
        with step("table compared with the source: DuckDB, Polars against plain requests"):
            expected = of_server(self.source)
            path = f"documents/{TABLE}"
            readers = {"duckdb": delta_readers.duckdb_table, "polars": delta_readers.polars_table}
            found = {name: of_table(read(self.s3, path)) for name, read in readers.items()}
        outcome.delta = {"table": path, **compared(expected, found), "report": report}
        outcome.failures += [
            f"{path}, read by {name}: {'; '.join(differences(expected, rows))}"
            for name, rows in found.items()
            if not outcome.delta[f"{name}_ok"]
        ]


def conf() -> dict[str, Any]:
    """The params of a run."""
    return {
        "cloudant_conn_id": "cloudant_target",
        "database": DATABASE,
        "table_name": TABLE,
        "columns": COLUMNS,
        "formats": ["parquet"],
    }


def compared(expected: Rows, found: Mapping[str, Rows]) -> dict[str, Any]:
    """Rows by the first of the readers, and of each whether it has found exactly what it should."""
    wanted = content_hash(expected)
    ok = {f"{name}_ok": content_hash(rows) == wanted for name, rows in found.items()}
    return {"rows": len(next(iter(found.values()))), "expected": len(expected), **ok, "content_ok": all(ok.values())}


def of_server(server: CouchServer) -> Rows:
    """Every document that is not deleted, but for design documents: its revision, its content, its declared columns."""
    rows = server.ask("GET", DATABASE, "_all_docs", include_docs="true")["rows"]
    documents = (row["doc"] for row in rows if not row["id"].startswith("_design/"))
    return {
        document["_id"]: _row(document["_rev"], document, {name: document.get(name) for name in COLUMNS})
        for document in documents
    }


def of_table(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """The rows of the table, as a reader gives them."""
    found: Rows = {}
    for row in rows:
        name = row["_id"] + (" (again)" if row["_id"] in found else "")  # is one too many, and will be said
        columns = {column: row.get(column) for column in COLUMNS}
        found[name] = _row(row["_rev"], json.loads(row["document"]), columns)
        if row["_deleted"]:
            found[name]["_deleted"] = True
    return found


def _row(revision: str, document: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    return {"_rev": revision, "document": document, **columns}
