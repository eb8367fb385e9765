# SPDX-License-Identifier: Apache-2.0
"""Does the target hold what the source holds? Read-only, in bounded memory, at a level of the caller's choice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

from airflow_provider_replicator.cdf.options import OnConflict, Selection
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.cdf.verify.datapoints import check_datapoints
from airflow_provider_replicator.cdf.verify.job import Job, Level
from airflow_provider_replicator.cdf.verify.objects import check_objects
from airflow_provider_replicator.cdf.verify.raw import check_raw
from airflow_provider_replicator.cdf.verify.report import VerifyReport
from airflow_provider_replicator.exceptions import ConfigurationError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.core.window import Window

    Check = Callable[[str, Job], Awaitable[None]]

_CHECKS: dict[str, Check] = {
    **dict.fromkeys(RESOURCES, check_objects),
    "datapoints": check_datapoints,
    "raw": check_raw,
}


async def verify(
    resources: Sequence[str],
    *,
    source: CdfClient,
    target: CdfClient,
    selection: Selection | None = None,
    level: Level = "content",
    window: Window | None = None,
    databases: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    allow_extra: bool = True,
    skip_unlinkable: bool = False,
    skip_nonasset: bool = False,
    on_conflict: OnConflict = "adopt",
    as_of: int | None = None,
    max_differences: int = 20,
) -> VerifyReport:
    """Compare ``resources`` of two projects.

    Resources: data_sets, labels, assets, events, time_series, datapoints, raw. Levels, each including the ones before:

    - ``counts``: how many. Objects by aggregate count where the API has one and nothing is selected; datapoints per series,
      period and status; string series, which have no aggregates, by their first and last point.
    - ``keys``: every source key is in the target, and what the target holds of this source is still in the source.
    - ``content``: objects field by field; datapoints by checksum aggregates per period; raw rows by a hash of their columns.
    - ``full``: datapoints point by point, with status codes and strings.

    ``window`` limits objects and rows to those the source changed in it and datapoints to those whose timestamp is in it.
    ``skip_unlinkable``, ``skip_nonasset`` and ``on_conflict`` are those of the replication: what it left out for their sake is counted
    under ``left_out`` and is no difference. So is what the source changed at ``as_of`` (ms since 1970) or later, and points from
    that hour on: a source that is written to all the time can be verified as it was when replication began.
    ``allow_extra=False`` makes objects that only the target has a difference: right after a run with ``delete_missing``.

    Raises VerificationError with the first ``max_differences`` differences. Nothing is written on either side.
    """
    checks = {name: _check(name) for name in resources}
    if level not in get_args(Level):
        raise ConfigurationError(f"level is {level!r}: write one of {', '.join(get_args(Level))}")
    if on_conflict not in get_args(OnConflict):
        raise ConfigurationError(f"on_conflict is {on_conflict!r}: write one of {', '.join(get_args(OnConflict))}")
    report = VerifyReport(source.project, target.project, level, window, max_differences)
    requests_before = source.stats.requests, target.stats.requests
    job = Job(
        source=source,
        target=target,
        selection=selection or Selection(),
        level=level,
        window=window,
        databases=tuple(databases) if databases is not None else None,
        tables=tuple(tables) if tables is not None else None,
        allow_extra=allow_extra,
        skip_unlinkable=skip_unlinkable,
        skip_nonasset=skip_nonasset,
        on_conflict=on_conflict,
        as_of=as_of,
        report=report,
    )
    for name, check in checks.items():
        report.of(name)
        await check(name, job)
    report.requests = {
        "source": source.stats.requests - requests_before[0],
        "target": target.stats.requests - requests_before[1],
    }
    report.seconds = time.monotonic() - report.started
    if report.different:
        raise VerificationError(_message(report), report.differences, report.as_dict())
    return report


def _check(name: str) -> Check:
    try:
        return _CHECKS[name]
    except KeyError:
        raise ConfigurationError(f"resource is {name!r}: write one of {', '.join(_CHECKS)}") from None


def _message(report: VerifyReport) -> str:
    per_type = ", ".join(
        f"{name} {verdict.different}" for name, verdict in report.resources.items() if verdict.different
    )
    named = "\n".join(f"- {text}" for text in report.differences)
    return f"{report.source} and {report.target} differ ({per_type}):\n{named}"
