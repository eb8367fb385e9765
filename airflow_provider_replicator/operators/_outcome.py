# SPDX-License-Identifier: Apache-2.0
"""What a task leaves in Airflow: its report as XCom, and an asset event that says what changed in the target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import AssetAlias, Context

#: The XCom that holds the report of a task, whether it succeeded or failed (on success it is the return value as well).
REPORT_KEY = "report"

#: Bytes of JSON. Reports travel through XCom, which may be a row of the metadata database.
MAX_REPORT_BYTES = 4000

_SUMMED = ("read", "written", "created", "updated", "unchanged", "deleted", "unlinked", "without_provenance", "failed")
_EVENT_FIELDS = (
    "source",
    "target",
    "mode",
    "window",
    "read",
    "written",
    "created",
    "updated",
    "unchanged",
    "deleted",
    "failed",
)


def push_report(context: Context, report: Mapping[str, Any]) -> dict[str, Any]:
    """Push ``report`` under :data:`REPORT_KEY` and return what was pushed, at most :data:`MAX_REPORT_BYTES` as JSON."""
    pushed = within_limit(report)
    context["ti"].xcom_push(key=REPORT_KEY, value=pushed)
    return pushed


def within_limit(report: Mapping[str, Any], limit: int = MAX_REPORT_BYTES) -> dict[str, Any]:
    """``report`` with as many entries of its lists (dead letters, differences) as fit; counts are never dropped."""
    fitting = {name: list(value) if isinstance(value, list) else value for name, value in report.items()}
    lists = [value for value in fitting.values() if isinstance(value, list)]
    while len(json.dumps(fitting)) > limit and any(lists):
        max(lists, key=len).pop()
    return fitting


def summary(report: Mapping[str, Any]) -> str:
    """A report as a line for the log: what is not zero, and what it cost."""
    counts = [f"{name} {_thousands(report[name])}" for name in _SUMMED if report.get(name)]
    counts += [f"skipped as {reason} {_thousands(count)}" for reason, count in report["skipped"].items()]
    requests = report["requests"]
    how = "dry run, nothing written" if report["dry_run"] else "done"
    # A lake (a URI) is reached through libraries that do not count their requests.
    cost = [f"{_thousands(requests[side])} to {report[side]}" for side in requests if "://" not in report[side]]
    return (
        f"{report['resource']}: {', '.join(counts) or 'nothing to copy'}; {how} in {report['seconds']:.1f} s"
        f"{'; requests: ' if cost else ''}{', '.join(cost)}"
    )


def _thousands(number: int) -> str:
    return f"{number:_}".replace("_", " ")


def table_alias(name: str) -> AssetAlias:
    """The asset alias of an operator that writes Delta tables; in the task it stands for the asset of each table it wrote.

    A table's asset is its URI, such as ``s3://bucket/prefix/resources/events``: other DAGs are scheduled on either.
    """
    from airflow.sdk import AssetAlias

    return AssetAlias(f"delta:{name}")


def emit_table_events(context: Context, lake_root: str, report: Mapping[str, Any]) -> None:
    """Record what was written to each table of ``report``, on the operator's alias (see :func:`may_name_assets`)."""
    from airflow.sdk import Asset, AssetAlias

    if not may_name_assets(context):
        return
    common = {name: report[name] for name in ("resource", "source", "mode", "window") if name in report}
    aliases = [one for one in context["task"].outlets if isinstance(one, AssetAlias) and one.name.startswith("delta:")]
    for table in report.get("tables", ()):
        for alias in aliases:
            context["outlet_events"][alias].add(Asset(f"{lake_root}/{table['table']}"), extra=common | table)


def replica_alias(resource_type: str) -> AssetAlias:
    """The asset alias that every task replicating ``resource_type`` has as an outlet.

    Which project is written is known only when the task runs (the connection may be templated), so the task resolves the alias
    to the asset ``cdf://<target project>/<resource type>``. Other DAGs are scheduled on either.
    """
    from airflow.sdk import AssetAlias

    return AssetAlias(f"cdf:{resource_type}")


def emit_asset_event(context: Context, resource_type: str, report: Mapping[str, Any]) -> None:
    """Record that the target's objects of this type are as ``report`` says, on the alias and on outlets given by the user."""
    from airflow.sdk import Asset

    extra = {"resource": resource_type} | {name: report[name] for name in _EVENT_FIELDS if name in report}
    events = context["outlet_events"]
    if may_name_assets(context):
        events[replica_alias(resource_type)].add(Asset(f"cdf://{report['target']}/{resource_type}"), extra=extra)
    for outlet in context["task"].outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(extra)


def may_name_assets(context: Context) -> bool:
    """Not for one of several mapped tasks: each has done a part only. And two that end in the same moment, both with an asset that
    Airflow does not know yet, would both make it known: Airflow 3.3 then sets one of them to failed, without a retry.
    """
    return getattr(context["ti"], "map_index", -1) < 0
