# SPDX-License-Identifier: Apache-2.0
"""Who a job belongs to, what to do in doubt, and how long to wait for it. Frozen values, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

IfCompleted = Literal["reuse", "rerun"]
OnMismatch = Literal["replace", "fail"]
OnDuplicate = Literal["fail", "adopt", "wait", "replace"]
OnWriteFailures = Literal["fail", "warn", "ignore"]
#: What ends a wait: the job's own end; the first sign that it copies; or that nothing is left to copy (several times in a row).
Until = Literal["completed", "running", "drained"]


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The task instance a job belongs to. Its try number is no part of it: a retry finds what the try before has started."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1

    def as_dict(self) -> dict[str, Any]:
        return {"dag_id": self.dag_id, "task_id": self.task_id, "run_id": self.run_id, "map_index": self.map_index}


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What to do in doubt.

    ``if_completed``: this very job has completed already (a task that was cleared): "reuse" its result, or "rerun" it, which
    copies what is new since. ``on_mismatch``: a document of this task and run exists with other options. ``on_duplicate``: another
    document replicates the same pair with the same selection, and a server runs only one: "fail", "adopt" (follow that one),
    "wait" (for its end, then run), or "replace" (stop it, if Airflow has made it, and run). ``on_write_failures``: the target refused
    documents in this run. ``keep_document``: leave the job's document, which holds credentials, where it is after success.
    """

    if_completed: IfCompleted = "reuse"
    on_mismatch: OnMismatch = "replace"
    on_duplicate: OnDuplicate = "fail"
    on_write_failures: OnWriteFailures = "fail"
    keep_document: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _POLICIES.items():
            if getattr(self, name) not in allowed:
                words = " or ".join(f'"{word}"' for word in allowed)
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}: write {words}")


_POLICIES: dict[str, tuple[str, ...]] = {
    "if_completed": get_args(IfCompleted),
    "on_mismatch": get_args(OnMismatch),
    "on_duplicate": get_args(OnDuplicate),
    "on_write_failures": get_args(OnWriteFailures),
}


@dataclass(frozen=True, kw_only=True)
class WaitLimits:
    """How long to wait, in seconds, and how often a job may crash. None: no bound of that kind.

    ``poll_interval``: the longest pause between two looks (the first looks are closer). ``timeout``: the whole wait.
    ``pending_timeout``: in the server's queue. ``not_picked_up_timeout``: the server knows the document, but does nothing with it.
    ``max_crashes``: so many crashes in a row are too many. ``crash_timeout``: crashing for so long, however often.
    ``error_tolerance``: the server that runs the job does not answer, or answers 5xx. ``gone_tolerance``: the document is not to be
    seen (yet): clusters take a moment. ``grace_crashes``: crashes allowed for reasons that seldom pass (no such database).
    ``drained_checks``: for ``until="drained"``, so many looks in a row have to find nothing left to copy.
    """

    poll_interval: float = 15.0
    timeout: float | None = None
    pending_timeout: float | None = None
    not_picked_up_timeout: float | None = 60.0
    max_crashes: int = 3
    crash_timeout: float | None = None
    error_tolerance: float = 300.0
    gone_tolerance: float = 5.0
    grace_crashes: int = 1
    drained_checks: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = _LEAST.get(field.name, 0.0)
            if value is None and field.name not in _NEVER_NONE:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not least <= value < float("inf"):
                raise ConfigurationError(f"{field.name} is {value!r}: write a number >= {least:g}")
        for name in ("max_crashes", "grace_crashes", "drained_checks"):
            if not isinstance(getattr(self, name), int):
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}: write a whole number")

    def as_dict(self) -> dict[str, Any]:
        """JSON values from which :meth:`from_dict` makes the same limits: for a trigger's kwargs."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WaitLimits:
        return cls(**values)


_LEAST: dict[str, float] = {"poll_interval": 0.05, "max_crashes": 1, "drained_checks": 1}
_NEVER_NONE = ("poll_interval", "max_crashes", "error_tolerance", "gone_tolerance", "grace_crashes", "drained_checks")
