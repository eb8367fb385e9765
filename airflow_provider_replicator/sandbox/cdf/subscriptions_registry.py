# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of a project, and which time series each of them follows as series come, change and go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_replicator.sandbox.cdf.datapoints import points_of
from airflow_provider_replicator.sandbox.cdf.filters import Predicate
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.points import Changes, Points
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.store import Entry
from airflow_provider_replicator.sandbox.cdf.subscriptions_log import (
    Change,
    Deletion,
    Document,
    Group,
    Membership,
    PartitionLog,
    Upsert,
)

MAX_SUBSCRIPTIONS, MAX_FILTERED, MAX_MEMBERS, MAX_PER_SERIES = 1_000, 100, 10_000, 10

#: ``(externalId,)`` or ``(space, externalId)``: how a member was named
MemberKey = tuple[str, ...]


class Subscription:
    """``members`` are the names it was given (None: it has a filter), ``series`` the existing time series that it follows by id;
    both number their elements ascending, so that pages can go on while others come and go."""

    def __init__(self, number: int, doc: Document, partitions: int, wanted: Predicate | None) -> None:
        self.number = number
        self.doc = doc
        self.partitions = [PartitionLog() for _ in range(partitions)]
        self.wanted = wanted
        self.members: dict[MemberKey, int] | None = None if wanted else {}
        self.series: dict[int, int] = {}
        self._count = 0

    def next_number(self) -> int:
        self._count += 1
        return self._count

    def wants(self, series: Document) -> bool:
        if self.wanted is not None:
            # Series with security categories are never shown in filter subscriptions.
            return not series.get("securityCategories") and self.wanted(series)
        return any(key in (self.members or ()) for key in keys_of(series))

    def log_of(self, series: Document) -> PartitionLog:
        return self.partitions[int(series["id"]) % len(self.partitions)]

    def describe(self) -> Document:
        count = len(self.series if self.members is None else self.members)
        return {**self.doc, "partitionCount": len(self.partitions), "timeSeriesCount": count}


def keys_of(series: Document) -> list[MemberKey]:
    """The names under which a series can be a member."""
    keys: list[MemberKey] = []
    if "externalId" in series:
        keys.append((series["externalId"],))
    if "instanceId" in series:
        keys.append((series["instanceId"]["space"], series["instanceId"]["externalId"]))
    return keys


def identifier_of(key: MemberKey) -> Document:
    return {"externalId": key[0]} if len(key) == 1 else {"instanceId": {"space": key[0], "externalId": key[1]}}


def described(series: Document) -> Document:
    """A time series as answers about subscriptions name it."""
    names = ("id", "externalId", "instanceId")
    is_string = bool(series.get("isString"))
    known = {name: series[name] for name in names if name in series}
    return known | {"isString": is_string, "type": "string" if is_string else "numeric"}


class Subscriptions:
    """Listens to the points and the time series of the project from its making on."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.by_external_id: dict[str, Subscription] = {}
        self._by_series: dict[int, list[Subscription]] = {}
        self._by_member: dict[MemberKey, list[Subscription]] = {}
        self._groups = 0
        points_of(project).watchers.append(self._points_changed)
        project.timeseries.on_write.append(self._series_written)
        project.timeseries.on_delete.append(self._series_deleted)

    # -- subscriptions -------------------------------------------------------------------------------------------------

    def filtered(self) -> list[Subscription]:
        return [one for one in self.by_external_id.values() if one.wanted is not None]

    def add(self, subscription: Subscription, keys: Iterable[MemberKey]) -> None:
        """Make it known; it follows its members, or what its filter matches, from now on. Raises 400, then nothing is changed."""
        if len(self.by_external_id) >= MAX_SUBSCRIPTIONS:
            raise ApiError(400, f"A project can have at most {MAX_SUBSCRIPTIONS} subscriptions")
        if subscription.wanted is not None and len(self.filtered()) >= MAX_FILTERED:
            raise ApiError(400, f"A project can have at most {MAX_FILTERED} subscriptions with a filter")
        if subscription.wanted is None:
            self.change_members(subscription, keys, ())
        self.by_external_id[subscription.doc["externalId"]] = subscription
        if subscription.wanted is not None:
            self.refilter(subscription)

    def remove(self, subscription: Subscription) -> None:
        del self.by_external_id[subscription.doc["externalId"]]
        for number in subscription.series:
            self._by_series[number].remove(subscription)
        for key in subscription.members or ():
            self._by_member[key].remove(subscription)

    # -- members -------------------------------------------------------------------------------------------------------

    def change_members(
        self, subscription: Subscription, added: Iterable[MemberKey], removed: Iterable[MemberKey]
    ) -> None:
        """All or nothing. Raises 400 for unknown time series and for what exceeds the service's limits."""
        members = subscription.members
        if members is None:
            raise ApiError(400, "The time series of a subscription with a filter cannot be set")
        gone = set(removed)
        new = [key for key in dict.fromkeys(added) if key not in members or key in gone]
        found = self._existing(new)
        if len(members.keys() - gone) + len(new) > MAX_MEMBERS:
            raise ApiError(400, f"A subscription can have at most {MAX_MEMBERS} time series")
        self._check_load(subscription, found)
        # What leaves was a member until now: readers learn of it before they learn of what comes.
        left = [key for key in gone if members.pop(key, None) is not None]
        for key in left:
            self._by_member[key].remove(subscription)
        for key in new:
            members[key] = subscription.next_number()
            self._by_member.setdefault(key, []).append(subscription)
        changed = [entry.doc for entry in map(self._find, left) if entry is not None] + found
        self._reconsider(subscription, changed)

    def _existing(self, keys: Sequence[MemberKey]) -> list[Document]:
        entries = [self._find(key) for key in keys]
        missing = [identifier_of(key) for key, entry in zip(keys, entries, strict=True) if entry is None]
        if missing:
            raise ApiError(400, "Time series not found", missing=missing)
        return [entry.doc for entry in entries if entry is not None]

    def _check_load(self, subscription: Subscription, series: list[Document]) -> None:
        for doc in series:
            others = [one for one in self._by_series.get(doc["id"], ()) if one is not subscription]
            if len(others) >= MAX_PER_SERIES:
                raise ApiError(
                    400,
                    f"Time series {doc['id']} is part of {MAX_PER_SERIES} subscriptions already, which is the maximum",
                )

    def _find(self, key: MemberKey) -> Entry | None:
        return self._project.timeseries.find(identifier_of(key))

    def refilter(self, subscription: Subscription) -> None:
        """Its filter is new: it follows what matches now."""
        self._reconsider(subscription, [entry.doc for entry in self._project.timeseries.by_id.values()])

    def _reconsider(self, subscription: Subscription, series: Iterable[Document]) -> None:
        changes: list[Change] = []
        for doc in {doc["id"]: doc for doc in series}.values():
            wanted = subscription.wants(doc)
            if wanted != (doc["id"] in subscription.series):
                changes.append(self._follow(subscription, doc) if wanted else self._leave(subscription, doc))
        self._record([(subscription, change) for change in changes])

    def _follow(self, subscription: Subscription, doc: Document) -> Membership:
        subscription.series[doc["id"]] = subscription.next_number()
        self._by_series.setdefault(doc["id"], []).append(subscription)
        return Membership(doc, added=True)

    def _leave(self, subscription: Subscription, doc: Document) -> Membership:
        del subscription.series[doc["id"]]
        self._by_series[doc["id"]].remove(subscription)
        return Membership(doc, added=False)

    # -- what happens --------------------------------------------------------------------------------------------------

    def _points_changed(self, group: Changes) -> None:
        found: list[tuple[Subscription, Change]] = []
        for doc, what in group:
            subscriptions = self._by_series.get(doc["id"])
            if subscriptions:
                change = Upsert(doc, what.ordered()) if isinstance(what, Points) else Deletion(doc, *what)
                found += [(one, change) for one in subscriptions]
        self._record(found)

    def _series_written(self, entries: list[Entry]) -> None:
        filtered = self.filtered()
        affected: dict[Subscription, list[Document]] = {}
        for entry in entries:
            doc = entry.doc
            candidates = [*filtered, *self._by_series.get(doc["id"], ())]
            for key in keys_of(doc):
                candidates += self._by_member.get(key, ())
            for one in candidates:
                affected.setdefault(one, []).append(doc)
        for one, docs in affected.items():
            self._reconsider(one, docs)

    def _series_deleted(self, docs: list[Document]) -> None:
        changes: list[tuple[Subscription, Change]] = []
        for doc in docs:
            changes += [(one, self._leave(one, doc)) for one in list(self._by_series.get(doc["id"], ()))]
            self._by_series.pop(doc["id"], None)
        self._record(changes)

    def _record(self, changes: list[tuple[Subscription, Change]]) -> None:
        if not changes:
            return
        self._groups += 1
        now = self._project.clock.now_ms()
        groups: dict[int, tuple[PartitionLog, list[Change]]] = {}
        for subscription, change in changes:
            log = subscription.log_of(change.series)
            groups.setdefault(id(log), (log, []))[1].append(change)
        for log, parts in groups.values():
            log.expire(now)
            log.append(Group(self._groups, now, parts))


def subscriptions_of(project: Project) -> Subscriptions:
    return project.extension("subscriptions", Subscriptions)
