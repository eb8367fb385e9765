# SPDX-License-Identifier: Apache-2.0
"""Where a task's checkpoint is kept, and what makes two tries "the same run"."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.checkpoint import Checkpoint, MemoryStore, fingerprint

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.options import Options
    from airflow_provider_replicator.core.checkpoint import CheckpointStore

log = logging.getLogger(__name__)


def checkpoint_store(context: Context) -> CheckpointStore:
    """The task state store of Airflow: it survives SIGKILL of the worker. Without one, a store that does not."""
    store = context.get("task_state_store")
    if store is None:
        log.warning("This Airflow has no task state store: a killed task will start over instead of going on")
        return MemoryStore()
    return store


def checkpoint_of(context: Context, *, resource_type: str, source: str, target: str, options: Options) -> Checkpoint:
    """The checkpoint of this task, valid for exactly this source, target and choice of options.

    Clearing a task does not empty its state store, but raises the number of tries it may have; a retry leaves that as it is.
    With this number in the identity, a retry goes on and a cleared task starts over, whether it had failed or succeeded.
    """
    identity = fingerprint(
        resource_type=resource_type,
        source=source,
        target=target,
        options=_plain(options),
        max_tries=context["ti"].max_tries,
    )
    return Checkpoint(checkpoint_store(context), identity)


def _plain(options: Options) -> dict[str, Any]:
    """The options as JSON-ready values that are the same in every process (a function's repr holds its address)."""
    plain = asdict(options)
    if transform := plain.get("transform"):
        named = transform if hasattr(transform, "__qualname__") else type(transform)
        plain["transform"] = f"{named.__module__}:{named.__qualname__}"
    return plain
