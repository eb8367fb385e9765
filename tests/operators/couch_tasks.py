# SPDX-License-Identifier: Apache-2.0
"""Tasks of CouchDB operators without a scheduler: their context, and the way into the triggerer and back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import AssetAlias
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.sdk.serde import deserialize, serialize

from airflow_provider_replicator.core.checkpoint import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import BaseOperator
    from airflow.triggers.base import BaseTrigger

    from tests.contract.couchdb.server import Server

T = TypeVar("T")


def connection(server: Server, **extra: Any) -> str:
    """As an administrator, as Airflow reads connections from its environment."""
    values = {"conn_type": "couchdb", "host": server.url, "extra": {"replication_url": server.inner_url, **extra}}
    if server.username is not None:
        values |= {"login": server.username, "password": server.password}
    return json.dumps(values)


@dataclass(slots=True)
class Task:
    """One task instance. ``again`` is its next try; another :class:`Task` with the same ``store`` and more ``max_tries``: cleared."""

    operator: Any
    run_id: str = "run-1"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 2
    more: dict[str, Any] = field(default_factory=dict)
    store: Any = field(default_factory=MemoryStore)
    pushed: dict[str, Any] = field(default_factory=dict)
    events: Any = field(default_factory=OutletEventAccessors)
    deferrals: list[TaskDeferred] = field(default_factory=list)

    def again(self, operator: BaseOperator | None = None) -> Task:
        """The next try, in another process."""
        return Task(
            operator or self.operator,
            run_id=self.run_id,
            map_index=self.map_index,
            try_number=self.try_number + 1,
            max_tries=self.max_tries,
            more=self.more,
            store=self.store,
        )

    def cleared(self) -> Task:
        """The next try after somebody has cleared the task."""
        task = self.again()
        task.max_tries += self.max_tries + 1
        return task

    @property
    def context(self) -> Any:
        ti = SimpleNamespace(
            dag_id="dag",
            task_id=self.operator.task_id,
            run_id=self.run_id,
            map_index=self.map_index,
            try_number=self.try_number,
            max_tries=self.max_tries,
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        values = {"ti": ti, "task": self.operator, "outlet_events": self.events, "task_state_store": self.store}
        return {**values, "params": {}, **self.more}

    def run(self) -> Any:
        """To its end; as often as it is deferred, by way of the triggerer."""
        return self._followed(lambda: self.operator.execute(self.context))

    def defer(self) -> BaseTrigger:
        """Until it is deferred: the trigger, as a triggerer makes it."""
        result, trigger = self._until_deferred(lambda: self.operator.execute(self.context))
        assert trigger is not None, f"not deferred: {result}"
        return trigger

    def resume(self, event: Mapping[str, Any]) -> Any:
        """What follows ``event``."""
        return self._followed(lambda: self._back({"event": dict(event)}))

    def lost(self, error: str) -> Any:
        """The triggerer has failed, or did not answer in time."""
        return self._followed(
            lambda: self.operator.resume_execution("__fail__", {"error": error, "traceback": None}, self.context)
        )

    def assets(self) -> dict[str, dict[str, Any]]:
        """Recorded for the databases, by URI."""
        events = self.events[AssetAlias("couchdb:databases")].asset_alias_events
        return {event.dest_asset_key.uri: event.extra for event in events}

    def _back(self, kwargs: dict[str, Any]) -> Any:
        return self.operator.resume_execution("execute_complete", kwargs, self.context)

    def _followed(self, step: Callable[[], Any]) -> Any:
        result, trigger = self._until_deferred(step)
        while trigger is not None:
            result, trigger = self._until_deferred(partial(self._back, {"event": first_event(trigger)}))
        return result

    def _until_deferred(self, step: Callable[[], Any]) -> tuple[Any, BaseTrigger | None]:
        try:
            return step(), None
        except TaskDeferred as deferred:
            self.deferrals.append(deferred)
            return None, stored(deferred.trigger)


def stored(trigger: BaseTrigger) -> BaseTrigger:
    """The trigger as another process makes it of what Airflow's database holds."""
    path, kwargs = trigger.serialize()
    text = json.dumps(serialize(kwargs))
    made: BaseTrigger = import_string(path)(**deserialize(json.loads(text)))  # type: ignore[arg-type]
    return made


def first_event(trigger: BaseTrigger) -> Any:
    """What the trigger fires, as it arrives in the task."""

    async def first() -> Any:
        events = [event.payload async for event in trigger.run()]
        assert len(events) == 1
        return events[0]

    return json.loads(json.dumps(asyncio.run(first())))
