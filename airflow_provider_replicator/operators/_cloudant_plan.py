# SPDX-License-Identifier: Apache-2.0
"""What a replicating task is to do, with all its arguments read and checked: nothing is opened while one of them is wrong."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import coerce, given
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.operators._cloudant_base import POLICIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions
    from airflow_provider_replicator.couchdb.verify.report import Level

#: How long a task waits where nobody says it: neither ``timeout`` nor the task's ``execution_timeout``.
DEFAULT_TIMEOUT_SECONDS = 86_400.0

_WHOLE = ("max_crashes", "grace_crashes", "drained_checks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One job. ``back``: from the target to the source."""

    options: ReplicationOptions
    doc_id: str | None = None
    back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``legs``: one job, or two for both directions. ``level``: None for no verification."""

    legs: tuple[Leg, ...]
    owner: Owner
    policies: Policies
    limits: WaitLimits
    level: Level | None = None
    repair: bool = False
    max_missing: int = 0
    sample: int | None = 100
    cancel_on_failure: bool = True

    @property
    def continuous(self) -> bool:
        return any(leg.options.continuous for leg in self.legs)


def read_owner(context: Context) -> Owner:
    """The task instance, for the document's id and its marker."""
    from airflow_provider_replicator.couchdb.jobs.choices import Owner

    ti = context["ti"]
    map_index = getattr(ti, "map_index", None)
    return Owner(
        dag_id=ti.dag_id, task_id=ti.task_id, run_id=ti.run_id, map_index=-1 if map_index is None else map_index
    )


def read_limits(holder: Any) -> WaitLimits:
    """The limits of a wait from ``timeout``, ``poll_interval``, ``max_crashes`` and the mapping ``limits`` of an operator.

    Without a timeout it is the task's ``execution_timeout``, which Airflow does not apply to deferred tasks; without that, a day.
    """
    from airflow_provider_replicator.couchdb.jobs.choices import WaitLimits

    known = [field.name for field in fields(WaitLimits)]
    more = coerce("limits", holder.limits, "mapping") or {}
    named = {"poll_interval": holder.poll_interval, "max_crashes": holder.max_crashes, "timeout": holder.timeout}
    others = [name for name in known if name not in named]
    if unknown := sorted(set(more) - set(others)):
        raise ConfigurationError(f"unknown in limits: {', '.join(unknown)}. There are: {', '.join(others)}")
    values = {name: _number(name, value) for name, value in (named | more).items()}
    values = {name: value for name, value in values.items() if value is not None}
    execution_timeout: timedelta | None = getattr(holder, "execution_timeout", None)
    bound = execution_timeout.total_seconds() if execution_timeout else DEFAULT_TIMEOUT_SECONDS
    return WaitLimits(**{"timeout": bound, **values})


def _number(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return coerce(name, value, "integer" if name in _WHOLE else "number")


def read_policies(holder: Any, *, retried: bool) -> Policies:
    """The policies of an operator. Where nobody says what to do with this very job when it has completed already, a retry takes its
    result, and a task that was cleared runs it again.
    """
    from airflow_provider_replicator.couchdb.jobs.choices import Policies

    values = given(holder, POLICIES)
    return Policies(**{"if_completed": "reuse" if retried else "rerun", **values})


def read_options(
    source_db: str, target_db: str, named: Mapping[str, Any], options: Mapping[str, Any] | str | None
) -> ReplicationOptions:
    """The options of a job: those that are arguments of their own, and further ones by the server's names."""
    from airflow_provider_replicator.couchdb.jobs.options import ReplicationOptions

    more = coerce("options", options, "mapping") or {}
    if twice := sorted(set(named) & set(more)):
        raise ConfigurationError(f"given twice, as an argument and in options: {', '.join(twice)}")
    return ReplicationOptions(source_db=source_db, target_db=target_db, **named, extra=more)


def read_level(name: str, value: Any) -> Level | None:
    """How to verify, or None."""
    from typing import get_args

    from airflow_provider_replicator.couchdb.verify.report import Level

    level: Level | None = coerce(name, value, "text")
    if level is not None and level not in get_args(Level):
        raise ConfigurationError(f"{name} is {level!r}: write one of {', '.join(get_args(Level))}, or leave it out")
    return level
