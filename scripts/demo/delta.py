# SPDX-License-Identifier: Apache-2.0
"""The second half of the demo: the same project into Delta tables on S3, and what other readers find there.

The data model, the events, the datapoints and the raw rows go into tables, twice, with a change at the source in between; then
DuckDB, Polars and, where it is installed, Tableau's engine read the tables and the published files, and their content is compared with
the source as the official SDK shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cognite.client.data_classes.data_modeling import EdgeId, NodeApply, NodeId, NodeOrEdgeData, ViewId

from airflow_provider_replicator.sandbox.s3.running import RunningS3
from scripts.demo import delta_content, delta_readers, model, model_instances
from scripts.demo.delta_content import content_hash, differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cognite.client import CogniteClient

    from scripts.demo.airflow import Airflow
    from scripts.demo.data_set import DataSet
    from scripts.demo.delta_content import Rows
    from scripts.demo.model import Property
    from scripts.demo.reports import ReportReader

DAG = "export_cdf_to_delta"
SNAPSHOT = "compressor"

#: What the change does, by external id.
EDITED, DELETED, REMADE = "WMT:23-KA-9101", "FAO-074014-", "FAO-071979"
NEW_PROPERTY: Mapping[str, Mapping[str, Property]] = {"Equipment": {"overhauled": model.plain("date")}}


@dataclass(slots=True)
class Outcome:
    """What goes under ``delta`` into the report, and what was wrong."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"tables": self.tables, "snapshots": self.snapshots, "runs": self.runs}


@dataclass(slots=True)
class DeltaDemo:
    """``s3`` runs; ``client`` reads the source with the official SDK; ``step`` prints what is going on."""

    s3: RunningS3
    airflow: Airflow
    reader: ReportReader
    client: CogniteClient
    step: Any
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, data: DataSet) -> Outcome:
        with self.step("data model loaded with the official client"):
            model_instances.load(self.client, data)
        self.export("delta, initial", {"mode": "full"})
        self.compare(model.CONTAINERS)
        with self.step(
            "change: an instance edited, one deleted, one deleted and made again, a property added to a view"
        ):
            change(self.client)
        self.export("delta, change", {"mode": "full"})
        properties = {name: {**own, **NEW_PROPERTY.get(name, {})} for name, own in model.CONTAINERS.items()}
        self.compare(properties)
        self.compare_others()
        self.read_snapshots(properties)
        return self.outcome

    def export(self, name: str, conf: Mapping[str, Any]) -> None:
        given = {
            "space": model.MODEL_SPACE,
            "data_model": model.MODEL,
            "edge_spaces": [model.DATA_SPACE],
            "snapshot": SNAPSHOT,
            "formats": delta_readers.formats(),
            **conf,
        }
        with self.step(f"{name}: airflow dags test {DAG}"):
            run_id = self.airflow.test_dag(DAG, given, log=f"dag-{name.replace(', ', '-')}")
        reports = self.reader.read(DAG, run_id)
        self.outcome.runs.append({"name": name, "tasks": reports})
        for task, report in reports.items():
            if report.get("failed"):
                self.outcome.failures.append(
                    f"{name}: {task}: {report['failed']} rows failed: {report['dead_letters']}"
                )

    def compare(self, properties: Mapping[str, Mapping[str, Property]]) -> None:
        """The tables of the views, read by DuckDB and by Polars."""
        with self.step("tables compared with the source: DuckDB, Polars against the official client"):
            for view, own in properties.items():
                path = table_of(view)
                expected = delta_content.of_source(self.client, view, own)
                readers = {"duckdb": delta_readers.duckdb_table, "polars": delta_readers.polars_table}
                found = {name: delta_content.of_table(read(self.s3, path), own) for name, read in readers.items()}
                self._record(path, expected, found)

    def _record(self, path: str, expected: Rows, found: Mapping[str, Rows]) -> None:
        wanted = content_hash(expected)
        ok = {name: content_hash(rows) == wanted for name, rows in found.items()}
        self.outcome.tables[path] = {
            "rows": len(found["duckdb"]),
            "expected": len(expected),
            "content_ok": all(ok.values()),
            "hash": wanted,
        }
        for name in (name for name, good in ok.items() if not good):
            self.outcome.failures.append(f"{path}, read by {name}: {'; '.join(differences(expected, found[name]))}")

    def compare_others(self) -> None:
        """Edges without a view, events, datapoints and raw rows, by DuckDB."""
        with self.step("edges, events, datapoints and raw rows compared"):
            path = f"instances/_edges/{model.DATA_SPACE}"
            rows = delta_content.of_table(delta_readers.duckdb_table(self.s3, path), {})
            self._record(path, delta_readers.edges(self.client), {"duckdb": rows})
            for path, expected in delta_readers.expected_of_source(self.client).items():
                found = delta_readers.content(self.s3, path)
                self.outcome.tables[path] = {
                    "rows": found.rows,
                    "expected": expected.rows,
                    "content_ok": found == expected,
                    "hash": expected.digest,
                }
                if found != expected:
                    self.outcome.failures.append(f"{path}: the table holds {found}, the source {expected}")

    def read_snapshots(self, properties: Mapping[str, Mapping[str, Property]]) -> None:
        with self.step("snapshots read by DuckDB, Polars and Tableau's engine"), delta_readers.tableau() as engine:
            manifest = delta_readers.manifest(self.s3, SNAPSHOT)
            views = {table_of(view): own for view, own in properties.items()}
            for name, table in manifest["tables"].items():
                known = self.outcome.tables[table["source"]]
                expected = known["expected"]
                found = delta_readers.read_published(
                    self.s3, engine, table, expected, known["hash"], views.get(table["source"])
                )
                self.outcome.snapshots[name] = {"source": table["source"], **found}
                wrong = [key for key, good in found.items() if good is False]
                if wrong or found["rows"] != expected:
                    self.outcome.failures.append(f"snapshot {name}: {found}, expected {expected} rows")


def table_of(view: str) -> str:
    kind = "edges" if view in model.EDGES else "nodes"
    return f"instances/{model.MODEL_SPACE}/{view}/{model.VERSION}/{kind}"


def change(client: CogniteClient) -> None:
    """An update, a delete, a delete and re-creation, an edge less, and a new property in a view that one instance has."""
    instances = client.data_modeling.instances
    model.apply(client, extra=NEW_PROPERTY)
    equipment = ViewId(model.MODEL_SPACE, "Equipment", model.VERSION)
    overhauled = {"description": "VRD - 1ST STAGE COMPRESSOR (overhauled)", "overhauled": "2023-08-24"}
    instances.apply(nodes=NodeApply(model.DATA_SPACE, EDITED, sources=[NodeOrEdgeData(equipment, overhauled)]))
    instances.delete(nodes=NodeId(model.DATA_SPACE, DELETED))
    order = ViewId(model.MODEL_SPACE, "WorkOrder", model.VERSION)
    instances.delete(nodes=NodeId(model.DATA_SPACE, REMADE))
    instances.apply(
        nodes=NodeApply(
            model.DATA_SPACE, REMADE, sources=[NodeOrEdgeData(order, {"title": "made again", "status": 100})]
        )
    )
    link = instances.list(
        instance_type="edge", sources=ViewId(model.MODEL_SPACE, "EquipmentLink", model.VERSION), limit=1
    )
    instances.delete(edges=[EdgeId(edge.space, edge.external_id) for edge in link])
