# SPDX-License-Identifier: Apache-2.0
"""What a replication leaves in Airflow besides its report: a line in the log, an asset event for the target database, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_replicator.operators._outcome import may_name_assets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import AssetAlias, Context

#: Counts of a run, in the order in which the log names them. Without a baseline there are only totals.
_COUNTS = ("docs_read", "docs_written", "doc_write_failures", "revisions_checked")
_EVENT_FIELDS = ("doc_id", "state", "window", *_COUNTS)


def database_alias() -> AssetAlias:
    """The asset alias that every replicating task has as an outlet.

    Which database is written is known only when the task runs, so the task resolves the alias to the asset
    ``couchdb://<host>/<database>``. Other DAGs are scheduled on either.
    """
    from airflow.sdk import AssetAlias

    return AssetAlias("couchdb:databases")


def database_uri(base_url: str, database: str) -> str:
    """The asset of a database: ``couchdb://host[:port][/prefix]/database``, each name percent-encoded, without credentials."""
    parts = urlsplit(base_url)
    return f"couchdb://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/{quote(database, safe='')}"


def emit_database_event(context: Context, base_url: str, database: str, report: Mapping[str, Any]) -> None:
    """Record that ``database`` is as ``report`` says, on the alias and on outlets given by the user."""
    from airflow.sdk import Asset

    extra = {name: report[name] for name in _EVENT_FIELDS if name in report}
    events = context["outlet_events"]
    if may_name_assets(context):
        events[database_alias()].add(Asset(database_uri(base_url, database)), extra=extra)
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(extra)


def summary(report: Mapping[str, Any]) -> str:
    """A report as a line for the log."""
    counts = [f"{name} {report[name]}" for name in _COUNTS if report.get(name) is not None]
    totals = [f"{name}_total {report[f'{name}_total']}" for name in _COUNTS if report.get(f"{name}_total") is not None]
    verified = report.get("verification")
    checked = f"; verified by {verified['level']}: {'complete' if verified['ok'] else 'incomplete'}" if verified else ""
    return f"{report.get('state', 'done')}: {', '.join(counts or totals) or 'nothing counted'}{checked}"


def count(report: Mapping[str, Any]) -> None:
    """Add a run to Airflow's metrics."""
    from airflow.sdk.observability import stats

    for name in ("docs_written", "doc_write_failures"):
        if report.get(name):
            stats.incr(f"couchdb.replication.{name}", int(report[name]))
