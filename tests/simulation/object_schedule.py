# SPDX-License-Identifier: Apache-2.0
"""Schedules of data sets, labels, assets, events and time series."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.options import Options, Selection
from airflow_provider_replicator.core.checkpoint import Checkpoint, fingerprint
from airflow_provider_replicator.core.window import Window
from tests.simulation.edits import PATHS, ObjectEditor
from tests.simulation.oracle import Judge, Side, key_of, provenance
from tests.simulation.schedule import Schedule, expect_clean
from tests.simulation.world import EPOCH_MS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.simulation.plan import Plan
    from tests.simulation.process import Machine, Program

#: More than the commit delay of any plan: how far back a window looks.
OVERLAP_MS = 5_000
#: Half of the external ids.
EXCLUDED = r"^..[a-z]\d*[13579]$"
SELECTED = ("events", "time_series")


class ObjectSchedule(Schedule):
    """Full runs with or without deletes, or a chain of windows; one or two sources; foreign objects in the target."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.editors = [
            ObjectEditor(self.world, name, self.rng, prefix=f"{name[0]}.", renames=plan.delete_missing)
            for name in self.sources
        ]
        self._foreign: dict[str, dict[int, dict[str, Any]]] = {}
        self._covered = EPOCH_MS - 1
        self._chosen: dict[str, str] = {}
        #: What the target has ever had: resource, source, key, id in the source.
        self._seen: set[tuple[str, str, Any, Any]] = set()
        self._named: set[tuple[str, str]] = set()

    # -- the world before

    def populate(self) -> None:
        if self.plan.selection is not None:
            selected = tuple(resource for resource in self.plan.resources if resource in SELECTED)
            for name, editor in zip(self.sources, self.editors, strict=True):
                self._chosen[name] = editor.select_data_set(selected)
            self._leave_something_behind()
        for editor in self.editors:
            editor.populate(self.plan.resources, self.plan.size)
        strangers = ObjectEditor(self.world, "target", self.rng, prefix="z.")
        strangers.populate(self.plan.resources, 3)
        self._note_names()
        if self.plan.conflicts:
            self._occupy_names()
        self._foreign = {resource: dict(docs) for resource, docs in Side(self.world, "target").docs.items()}

    def _leave_something_behind(self) -> None:
        """Copies whose source is gone, outside the selection: no run may delete them."""
        for source in self.sources:
            for resource in self.plan.resources:
                if resource in SELECTED:
                    metadata = {"_replicatedSource": source, "_replicatedInternalId": "4711", "_replicatedTime": "1"}
                    doc = {"externalId": f"{source[0]}.{resource[0]}99991", "metadata": metadata}
                    self.world.call("target", "POST", PATHS[resource], {"items": [doc]})

    def _occupy_names(self) -> None:
        """Somebody made objects in the target that have the names of source objects."""
        for resource in self.plan.resources:
            for doc in self.editors[0].docs(resource):
                if "externalId" in doc and "parentId" not in doc and self.rng.random() < 0.4:
                    kept = {name: doc[name] for name in ("externalId", "name", "isString") if name in doc}
                    self.world.call("target", "POST", PATHS[resource], {"items": [kept | {"description": "theirs"}]})

    def edit(self) -> None:
        self.rng.choice(self.editors).edit(self.plan.resources)
        self._note_names()

    def _note_names(self) -> None:
        """Every external id that a source has ever had: only these may be adopted."""
        for editor in self.editors:
            for resource in self.plan.resources:
                self._named |= {(resource, doc["externalId"]) for doc in editor.docs(resource) if "externalId" in doc}

    # -- what runs

    def tasks(self) -> list[Program]:
        window = None
        if self.plan.windows:
            now = self.world.clock.now_ms()
            window = Window(self._covered, now)
            self._covered = now
        options = Options(
            mode="window" if window else "full",
            window=window,
            overlap_ms=OVERLAP_MS,
            delete_missing=self.plan.delete_missing,
            max_delete_fraction=1.0,
            on_conflict=self.plan.on_conflict,
        )
        return [self._task(resource, options) for resource in self.plan.resources]

    def _task(self, resource: str, options: Options) -> Program:
        async def program(machine: Machine) -> None:
            await all_of([self._replicate(machine, resource, options, source) for source in self.sources])

        return program

    def _selection(self, resource: str, source: str) -> Selection:
        """Events and series are selected among; what they refer to is all there."""
        if resource in SELECTED and self.plan.selection == "exclude":
            return Selection(exclude_pattern=EXCLUDED)
        if resource in SELECTED and self.plan.selection == "data_set":
            return Selection(data_set_external_ids=(self._chosen[source],))
        return Selection()

    def _covers(self, resource: str, doc: dict[str, Any], side: Side, source: str) -> bool:
        """Whether the selection holds a document of the source, or one of the target by what the target knows of it."""
        if resource not in SELECTED or self.plan.selection is None:
            return True
        if self.plan.selection == "exclude":
            return re.search(EXCLUDED, doc.get("externalId", "")) is None
        data_set = side.docs["data_sets"].get(doc.get("dataSetId"), {})
        return bool(data_set.get("externalId") == self._chosen[source])

    async def _replicate(self, machine: Machine, resource: str, options: Options, source: str) -> None:
        from airflow_provider_replicator.cdf.objects.replicate import replicate_objects

        options = replace(options, selection=self._selection(resource, source))
        identity = fingerprint(resource=resource, source=source, options=options)
        report = await replicate_objects(
            resource,
            source=machine.client(source),
            target=machine.client("target"),
            options=options,
            checkpoint=Checkpoint(machine.store, identity, name=f"{resource} {source}"),
        )
        expect_clean(report)

    def run_task(self, *given: Any, **options: Any) -> None:
        try:
            super().run_task(*given, **options)
        finally:
            target = Side(self.world, "target")
            self._seen |= {
                (resource, origin, doc.get("externalId"), doc["metadata"].get("_replicatedInternalId"))
                for resource in SELECTED
                for doc in target.of(resource)
                if (origin := provenance(doc)) is not None
            }

    # -- what must be true

    def _deleted_for_no_reason(self) -> list[str]:
        """What the target once had and the source still has, inside the selection or not, is still there."""
        target = Side(self.world, "target")
        left = {(resource, doc.get("externalId")) for resource in SELECTED for doc in target.of(resource)}
        return [
            f"{resource} {key}: was deleted although {source} has it"
            for source in self.sources
            for resource in SELECTED
            for doc in Side(self.world, source).of(resource)
            if (resource, source, key := key_of(doc, source), str(doc["id"])) in self._seen
            and (resource, key) not in left
        ]

    def judge(self) -> list[str]:
        wrong = self._deleted_for_no_reason()
        skipped = self._foreign if self.plan.on_conflict == "skip" else {}
        for source in self.sources:
            judge = Judge(
                self.world,
                source,
                "target",
                skipped=skipped,
                windows=self.plan.windows,
                covers=partial(self._covers, source=source),
            )
            for resource in self.plan.resources:
                judge.objects(resource, extra_allowed=not self.plan.delete_missing)
            wrong += judge.wrong
        return wrong + self._foreign_touched()

    def _foreign_touched(self) -> list[str]:
        wrong = []
        target = Side(self.world, "target")
        for resource, docs in self._foreign.items():
            for key, before in docs.items():
                adopted = self.plan.on_conflict == "adopt" and (resource, before.get("externalId")) in self._named
                if not adopted and target.docs[resource].get(key) != before:
                    wrong.append(f"foreign {resource} {before} became {target.docs[resource].get(key)}")
        return wrong


async def all_of(programs: list[Coroutine[Any, Any, None]]) -> None:
    """Run all to their end, then raise the first error: one failing does not tear the others down half way."""
    for outcome in await asyncio.gather(*programs, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
