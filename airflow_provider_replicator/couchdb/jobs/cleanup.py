# SPDX-License-Identifier: Apache-2.0
"""Documents of jobs that have ended hold credentials: those that Airflow has made are deleted after some time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.couchdb.client import CouchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """``deleted`` of ``seen`` ended jobs; ``foreign`` were not ours, ``young`` not old enough. ``ids``: the first that were deleted."""

    seen: int
    deleted: int
    foreign: int
    young: int
    ids: tuple[str, ...] = ()
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        raise NotImplementedError


async def cleanup(
    mediator: CouchClient,
    replicator_db: str = "_replicator",
    *,
    older_than: float,
    states: Sequence[str] = ("completed", "failed"),
    dag_id: str | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> Cleaned:
    """Delete documents with our marker (of ``dag_id``, if given) that ended more than ``older_than`` seconds ago."""
    raise NotImplementedError
