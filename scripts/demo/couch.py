# SPDX-License-Identifier: Apache-2.0
"""The Cloudant part of the demo: work orders from one CouchDB server to another one by a DAG, and what a refusal looks like.

The target takes documents up to a size only. The server's job says "completed" all the same when one is too large, and would never
try it again; the task has to fail and name it. Once the limit is raised, a run with ``repair`` brings it. What both servers hold then
is asked with plain requests.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scripts.demo import couch_compare, couch_documents
from scripts.demo.couch_documents import DATABASE
from scripts.demo.steps import say, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scripts.demo.airflow import Airflow
    from scripts.demo.couch_compare import Compared
    from scripts.demo.couch_server import CouchServer
    from scripts.demo.data_set import DataSet
    from scripts.demo.reports import ReportReader

DAG = "replicate_cloudant"
#: The task of the DAG that replicates, and whose report is read.
TASK = "replicate"
#: Bytes of a document that the target takes at first, and later. CouchDB's own limit is 8 MB, Cloudant's 1 MB.
SMALL, LARGE = "65536", "8000000"
#: A series of measurements that was written into one document, as it should not be.
TOO_LARGE = "measurements/WMT:60-EN-9010B+27G2/100 %"
MEASUREMENTS = 20_000
ADDED = "order/DEMO-1"


def password() -> str:
    """A new one, with characters that have a meaning in URLs and headers."""
    return secrets.token_hex(16) + "/+%@:&"


@dataclass(slots=True)
class Outcome:
    """What goes under ``cloudant`` into the report, and what was wrong."""

    compared: Compared | None = None
    refused_detected: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    delta: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        compared = {} if self.compared is None else self.compared.as_dict()
        return {**compared, "refused_detected": self.refused_detected, "runs": self.runs, "delta": self.delta}


@dataclass(slots=True)
class CouchDemo:
    """Both servers run, and the Airflow of ``airflow`` has connections to them."""

    source: CouchServer
    target: CouchServer
    airflow: Airflow
    reader: ReportReader
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, data: DataSet) -> Outcome:
        with step("work orders loaded as documents with plain requests"):
            loaded = couch_documents.load(self.source, data)
            self.target.configure("couchdb", "max_document_size", SMALL)
        say(
            f"  {loaded.documents:,} documents ({loaded.conflicts} in conflict, {loaded.attachments} with an attachment), "
            f"{loaded.tombstones} deleted ones"
        )
        compared = self.replicate("initial")
        self.expect_equal("initial", compared)
        with step(
            "change at the source: an order edited, equipment deleted, an order added, and a document that is too large"
        ):
            change(self.source)
        self.refused()
        self.target.configure("couchdb", "max_document_size", LARGE)
        compared = self.replicate("repaired", repair=True)
        self.expect_equal("repaired", compared)
        return self.outcome

    def replicate(self, name: str, *, repair: bool = False) -> Compared:
        """One run of the DAG that has to succeed."""
        with step(f"cloudant, {name}: airflow dags test {DAG}"):
            run_id = self.airflow.test_dag(DAG, conf(repair=repair), log=f"dag-cloudant-{name}")
        report = self.reader.read(DAG, run_id).get(TASK) or {}
        compared = self.compare(name)
        self.record(name, "success", compared, report)
        self.outcome.failures += unverified(name, report, compared)
        if repair and (report.get("repair") or {}).get("docs_written") != 1:
            self.outcome.failures.append(f"cloudant, {name}: not one document was brought, but {report.get('repair')}")
        return compared

    def refused(self) -> None:
        """The run that has to fail, for that one document, while everything else arrives."""
        with step(f"cloudant, refused: airflow dags test {DAG}, which has to fail"):
            text = self.airflow.test_failing_dag(DAG, conf(), log="dag-cloudant-refused")
        compared = self.compare("refused")
        self.record("refused", "failed", compared, {})
        wrong = []
        if TOO_LARGE not in text:
            wrong.append(f"refused: the log of the task does not name {TOO_LARGE!r}")
        if sorted(compared.missing) != [TOO_LARGE]:
            wrong.append(f"refused: the target lacks {sorted(compared.missing)}, and should lack {TOO_LARGE!r} only")
        self.outcome.refused_detected = not wrong
        self.outcome.failures += wrong

    def compare(self, name: str) -> Compared:
        with step(f"cloudant, {name}: both servers compared with plain requests"):
            self.outcome.compared = couch_compare.compare(self.source, self.target, DATABASE)
        return self.outcome.compared

    def record(self, name: str, state: str, compared: Compared, report: Mapping[str, Any]) -> None:
        self.outcome.runs.append({"name": name, "state": state, **compared.as_dict(), "report": dict(report)})

    def expect_equal(self, name: str, compared: Compared) -> None:
        self.outcome.failures += [f"cloudant, {name}: {words}" for words in differences(compared)]


def conf(*, repair: bool = False) -> dict[str, Any]:
    """The params of a run."""
    return {"databases": [DATABASE], "verify": "revisions", "repair": repair}


def differences(compared: Compared) -> list[str]:
    """What is not the same in both databases, in words. They began empty, so nothing may be too much, either."""
    source, target = compared.source, compared.target
    wrong = []
    if compared.missing:
        wrong.append(
            f"the target lacks {compared.missing_revisions} revisions, such as one of {min(compared.missing)!r}"
        )
    if compared.different:
        wrong.append(f"{len(compared.different)} revisions have another content, such as {compared.different[0]!r}")
    for what, ours, theirs in (
        ("documents", source.documents, target.documents),
        ("revisions", source.revisions, target.revisions),
        ("tombstones", len(source.deleted), len(target.deleted)),
    ):
        if ours != theirs:
            wrong.append(f"the source has {ours} {what}, the target {theirs}")
    return wrong


def unverified(name: str, report: Mapping[str, Any], compared: Compared) -> list[str]:
    """What the task itself says has to agree with what was found without it."""
    verified = report.get("verification") or {}
    if not verified.get("ok") or verified.get("revisions") != compared.source.revisions:
        return [f"cloudant, {name}: the task verified {verified}, the source has {compared.source.revisions} revisions"]
    return []


def change(source: CouchServer) -> None:
    """What happens at a source on any day, and one thing that should not."""
    (edited, deleted) = (_first(source, kind) for kind in ("order", "equipment"))
    series = [round(20 + number % 97 / 10, 1) for number in range(MEASUREMENTS)]
    couch_documents.write(
        source,
        DATABASE,
        [
            {**edited, "title": "edited in the demo"},
            {"_id": deleted["_id"], "_rev": deleted["_rev"], "_deleted": True},
            {"_id": ADDED, "type": "order", "title": "added in the demo"},
            {"_id": TOO_LARGE, "type": "measurements", "values": series},
        ],
    )


def _first(source: CouchServer, kind: str) -> dict[str, Any]:
    found = source.ask("GET", DATABASE, "_all_docs", startkey=f'"{kind}/"', include_docs="true", limit=1)
    document: dict[str, Any] = found["rows"][0]["doc"]
    return document
