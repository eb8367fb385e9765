# SPDX-License-Identifier: Apache-2.0
"""Stop replications, and clear away those that have ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import coerce
from airflow_provider_replicator.exceptions import ConfigurationError, ReplicationFailedError
from airflow_provider_replicator.operators._cloudant_base import CouchOperator, blocking, couch_connection
from airflow_provider_replicator.operators._outcome import push_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class CloudantStopReplicationOperator(CouchOperator):
    """Stop a replication, such as a continuous one, by deleting its document.

    The server keeps a last checkpoint: a later replication of the same databases goes on from there. To stop what is stopped already
    is fine.

    :param cloudant_conn_id: connection of the server that runs the job
    :param doc_id: id of the job's document, such as ``"{{ ti.xcom_pull(task_ids='follow')['doc_id'] }}"``
    :param replicator_db: where the document is; None: as the connection says (``_replicator``)
    :param foreign: stop it although nothing says that Airflow has made it (false)
    :param missing_ok: no error if there is no such document (true)
    """

    template_fields: Sequence[str] = ("cloudant_conn_id", "doc_id", "replicator_db", "foreign", "missing_ok")

    def __init__(
        self,
        *,
        doc_id: str,
        cloudant_conn_id: str = "cloudant_default",
        replicator_db: str | None = None,
        foreign: bool | str = False,
        missing_ok: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cloudant_conn_id = cloudant_conn_id
        self.doc_id = doc_id
        self.replicator_db = replicator_db
        self.foreign = foreign
        self.missing_ok = missing_ok

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete the document; a conflict with the server's own writes is tried again."""
        from airflow_provider_replicator.couchdb.jobs.stop import stop

        doc_id = coerce("doc_id", self.doc_id, "text")
        if doc_id is None:
            raise ConfigurationError("doc_id is empty: write the id of a replication's document")
        own = self._given({"replicator_db": "text", "foreign": "flag", "missing_ok": "flag"})
        connection = couch_connection(self.cloudant_conn_id)
        replicator_db = own.get("replicator_db", connection.replicator_db)
        with self._stoppable() as told, connection.blocking(told) as mediator:
            stopped = blocking(stop(mediator, replicator_db, doc_id, foreign=own.get("foreign", False)))
        if not stopped and not own.get("missing_ok", True):
            raise ReplicationFailedError(f"there is no replication {doc_id} in {replicator_db} to stop")
        self.log.info("%s: %s", doc_id, "stopped" if stopped else "there was nothing to stop")
        return push_report(context, {"doc_id": doc_id, "replicator_db": replicator_db, "stopped": stopped})


class CloudantCleanupReplicationsOperator(CouchOperator):
    """Delete documents of replications that have ended, which hold credentials. Only those that Airflow has made.

    :param cloudant_conn_id: connection of the server that ran the jobs
    :param replicator_db: where the documents are; None: as the connection says (``_replicator``)
    :param older_than: only those that ended longer ago: a timedelta, or days as a number (7)
    :param states: only those in these states (``completed``, ``failed``)
    :param dag_id_of_jobs: only those of this DAG; None: of all
    :param dry_run: delete nothing, and say what would be deleted
    """

    template_fields: Sequence[str] = (
        "cloudant_conn_id",
        "replicator_db",
        "older_than",
        "states",
        "dag_id_of_jobs",
        "dry_run",
    )

    def __init__(
        self,
        *,
        cloudant_conn_id: str = "cloudant_default",
        replicator_db: str | None = None,
        older_than: timedelta | float | str = 7,
        states: Sequence[str] | str = ("completed", "failed"),
        dag_id_of_jobs: str | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cloudant_conn_id = cloudant_conn_id
        self.replicator_db = replicator_db
        self.older_than = older_than
        self.states = states
        self.dag_id_of_jobs = dag_id_of_jobs
        # Hides BaseOperator.dry_run(), which Airflow 3 never calls: a template field is named like its argument.
        self.dry_run = dry_run  # type: ignore[method-assign, assignment]

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete what is old enough, page by page."""
        from airflow_provider_replicator.couchdb.jobs.cleanup import cleanup

        own = self._given({"replicator_db": "text", "dag_id_of_jobs": "text", "dry_run": "flag"})
        seconds, states = _seconds(self.older_than), coerce("states", self.states, "names")
        if not states:
            raise ConfigurationError("states is empty: name at least one of completed, failed")
        connection = couch_connection(self.cloudant_conn_id)
        with self._stoppable() as told, connection.blocking(told) as mediator:
            cleaned = blocking(
                cleanup(
                    mediator,
                    own.get("replicator_db", connection.replicator_db),
                    older_than=seconds,
                    states=states,
                    dag_id=own.get("dag_id_of_jobs"),
                    dry_run=own.get("dry_run", False),
                )
            )
        report = cleaned.as_dict()
        self.log.info(
            "%s", ", ".join(f"{name} {value}" for name, value in report.items() if not isinstance(value, list))
        )
        return push_report(context, report)


def _seconds(older_than: timedelta | float | str) -> float:
    if isinstance(older_than, timedelta):
        return older_than.total_seconds()
    days = coerce("older_than", older_than, "number")
    if days is None or not 0 <= days < float("inf"):
        raise ConfigurationError(f"older_than is {older_than!r}: write a timedelta, or a number of days >= 0")
    return float(days) * 86_400
