# SPDX-License-Identifier: Apache-2.0
"""The five verbs of python-cloudant's ``Replicator``, for people who port scripts: bounded, polite and without credentials."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.fields import from_old_names
from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    CouchConnectionError,
    CouchNotFoundError,
    CouchUnavailableError,
    ReplicationFailedError,
    ReplicationStalledError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator

    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.jobs.listing import Listed
    from airflow_provider_replicator.couchdb.jobs.states import JobState
    from airflow_provider_replicator.couchdb.jobs.waiting import Ended, Waiting

#: Who has made the documents of scripts, for those who find them.
_TASK = "CloudantHook.create_replication"
#: An id that exists with the same content is no mistake (a retry); with another content it is.
_POLICIES = Policies(if_completed="rerun", on_mismatch="fail")


class ReplicatorVerbs:
    """Part of the hook. Jobs run on the server of the hook's connection, in its replicator database."""

    cloudant_conn_id: str

    def get_client(self, stop: threading.Event | None = None) -> CouchClient:
        raise NotImplementedError

    def get_couch_connection(self) -> CouchConnection:
        raise NotImplementedError

    def create_replication(
        self,
        source_db: str,
        target_db: str,
        repl_id: str | None = None,
        *,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Start a replication; does not wait. Returns ``_id`` and what else is known of the job, without credentials.

        :param source_db: name of a database (python-cloudant wanted an object: its server is now ``source_conn_id``)
        :param target_db: the same for the target; with ``create_target=True`` it need not exist
        :param repl_id: id of the document; default: a new one each time. The same id with the same options is followed if it runs, and
            run again if it has ended; with other options it is a ReplicationFailedError.
        :param source_conn_id: where the source is; default: the server of this hook
        :param target_conn_id: the same for the target
        :param options: by the server's names, or by those of python-cloudant's documentation: ``batch_size`` is ``worker_batch_size``.
            What has no meaning (``batch_timeout``, ``user_ctx``, misspelt names) is a ConfigurationError, not ignored.
        """
        from airflow_provider_replicator.couchdb.jobs.submit import submit

        for name, value in (("source_db", source_db), ("target_db", target_db)):
            if hasattr(value, "database_name"):
                raise ConfigurationError(f"{name} is a database object: write its name, and its server as a connection")
        checked = ReplicationOptions.of(source_db, target_db, from_old_names(options))
        source, target = (self._other(name).get_couch_connection() for name in (source_conn_id, target_conn_id))
        doc_id = repl_id or uuid4().hex
        owner = Owner(dag_id="", task_id=_TASK, run_id=doc_id)
        with self.get_client() as client:
            job = run(submit(client, source, target, checked, owner=owner, policies=_POLICIES, doc_id=doc_id))
        return {"_id": job.doc_id, **job.to_dict()}

    def list_replications(self, *, states: Collection[str] = (), prefix: str = "") -> list[dict[str, Any]]:
        """Every replication in one of ``states`` (empty: all) whose id begins with ``prefix``; read in pages, without credentials.

        Each has ``_id``, ``source`` and ``target`` (URLs), ``state`` and what else the server says.
        """
        from airflow_provider_replicator.couchdb.jobs.listing import list_jobs

        async def listed(client: CouchClient) -> list[Listed]:
            replicator_db = client.connection.replicator_db
            return [job async for job in list_jobs(client, replicator_db, states=states, prefix=prefix)]

        with self.get_client() as client:
            jobs = run(listed(client))
        return [{"_id": job.doc_id, "source": job.source, "target": job.target, **job.state.to_dict()} for job in jobs]

    def replication_state(self, repl_id: str) -> str:
        """``completed``, ``failed``, ``running``, ``crashing``, ``error``, ``pending``, ``initializing``, ``unseen`` (null).

        Raises CouchNotFoundError if there is no such document.
        """
        from airflow_provider_replicator.couchdb.jobs.states import read_state

        with self.get_client() as client:
            state = run(read_state(client, client.connection.replicator_db, repl_id))
        if state.state == "gone":
            raise self._gone(repl_id)
        return state.state

    def follow_replication(
        self,
        repl_id: str,
        *,
        poll_interval: float = 15.0,
        timeout: float | None = None,
        max_crashes: int = 3,
        stop: threading.Event | None = None,
    ) -> Iterator[dict[str, Any]]:
        """What the server says of a replication, look by look, until it is ``completed`` or ``failed``: ``_id``, ``state`` …

        One request a look; looks grow rare, from half a second to ``poll_interval`` seconds. A continuous replication has no end
        but ``timeout`` seconds (ReplicationStalledError), ``stop`` (CancelledError), or that you stop asking.
        Raises CouchNotFoundError when the document vanishes, ReplicationFailedError when it cannot work like this (a wrong password),
        ReplicationStalledError after ``max_crashes`` crashes in a row, where python-cloudant went on for ever.
        """
        from airflow_provider_replicator.couchdb.jobs.waiting import Waiting

        limits = WaitLimits(poll_interval=poll_interval, timeout=timeout, max_crashes=max_crashes)
        waiting = Waiting(limits, until="completed", started=time.monotonic())
        random = Random()
        with self.get_client(stop) as client:
            while True:
                state, ended = _look(client, repl_id, waiting)
                if state is not None and state.state != "gone":
                    yield {"_id": repl_id, **state.to_dict()}
                if ended is not None:
                    self._end(repl_id, state, ended)
                    return
                run(client.transport.sleep(waiting.pause(time.monotonic(), random)))

    def stop_replication(self, repl_id: str, *, foreign: bool = False) -> bool:
        """Delete the document of a replication, which ends it; a conflict with the server's own writes is tried again.

        Returns False if there is none. What this package has not made is left as it is (ReplicationFailedError), unless ``foreign``.
        """
        from airflow_provider_replicator.couchdb.jobs.stop import stop

        with self.get_client() as client:
            return run(stop(client, client.connection.replicator_db, repl_id, foreign=foreign))

    def _other(self, conn_id: str | None) -> ReplicatorVerbs:
        """The hook of another connection; this one without a name."""
        if conn_id in (None, self.cloudant_conn_id):
            return self
        made: ReplicatorVerbs = type(self)(conn_id)  # type: ignore[call-arg]
        return made

    def _gone(self, repl_id: str) -> CouchNotFoundError:
        connection = self.get_couch_connection()
        path = f"{connection.base_url}/{connection.replicator_db}"
        return CouchNotFoundError(404, "not_found", f"there is no replication {repl_id!r}", path=path)

    def _end(self, repl_id: str, state: JobState | None, ended: Ended) -> None:
        """Raises what a wait ended with, unless it is an end that the server has reached by itself."""
        if state is not None and state.terminal:
            return
        if ended.kind == "gone":
            raise self._gone(repl_id)
        error = ReplicationFailedError if ended.kind == "failed" else ReplicationStalledError
        raise error(f"replication {repl_id!r}: {ended.reason}")


def _look(client: CouchClient, repl_id: str, waiting: Waiting) -> tuple[JobState | None, Ended | None]:
    """What the server says, and whether that is the end. Raises once the server has been silent for too long."""
    from airflow_provider_replicator.couchdb.jobs.states import read_state

    try:
        state = run(read_state(client, client.connection.replicator_db, repl_id))
    except (CouchUnavailableError, CouchConnectionError) as error:
        ended = waiting.unreachable(time.monotonic(), str(error))
        if ended is not None:
            raise
        return None, None
    return state, waiting.observe(state, time.monotonic())
