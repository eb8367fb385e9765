# SPDX-License-Identifier: Apache-2.0
"""Nodes and edges of one project.

Three views of the same instances: *by key* (what retrieval sees), *by row* (a number given once, in order of creation: what lists
and queries page by) and *by change* (a number given anew with every create, update and delete: what sync pages by). Properties are
kept as the encoded JSON of one object per container, because that is what nearly every answer is made of: a page is a join of bytes,
and a filter that looks into properties decodes just the containers it needs (2-3 µs).

Everything here is already checked and happens at once: the handlers check a whole request first and then call what cannot fail.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import orjson

from airflow_provider_replicator.sandbox.clock import Clock

InstanceType = Literal["node", "edge"]
#: (instanceType, space, externalId): a node and an edge may have the same space and externalId
Key = tuple[str, str, str]
#: (space, externalId) of a node
Reference = tuple[str, str]
#: (space, externalId) of a container
ContainerKey = tuple[str, str]

#: how long a deleted instance stays visible to sync, and how long a sync cursor lives
RETENTION_MS = 3 * 24 * 60 * 60 * 1000
_CHUNK = 4000


class Instance:
    """One life of one node or edge, changed in place by the store alone. What is deleted and made again is another object with
    another row, so sync can tell the tombstone (``deleted`` is its time, ms) from what came after it.

    ``data`` is container -> encoded JSON object of the properties that are not null. A container without any set property is
    ``b"{}"``: the instance has data in it all the same. Tombstones keep their data, so that filters still judge them; answers must
    not show it. ``seq`` is the number of the latest change, ``row`` that of the creation; ``type``, ``start`` and ``end`` are
    references to nodes (``start`` and ``end`` of edges only)."""

    __slots__ = (
        "created",
        "data",
        "deleted",
        "end",
        "external_id",
        "kind",
        "row",
        "seq",
        "space",
        "start",
        "type",
        "updated",
        "version",
    )

    def __init__(
        self,
        kind: str,
        space: str,
        external_id: str,
        of_type: Reference | None,
        start: Reference | None,
        end: Reference | None,
        data: dict[ContainerKey, bytes],
        time: int,
    ) -> None:
        self.kind = kind
        self.space = space
        self.external_id = external_id
        self.type = of_type
        self.start = start
        self.end = end
        self.data = data
        self.version = 1
        self.created = time
        self.updated = time
        self.deleted: int | None = None
        self.row = 0
        self.seq = 0

    @property
    def key(self) -> Key:
        return self.kind, self.space, self.external_id

    @property
    def reference(self) -> Reference:
        return self.space, self.external_id

    def properties(self, container: ContainerKey) -> dict[str, Any]:
        """The properties in a container, decoded anew: the caller may change the result. Empty without data there."""
        encoded = self.data.get(container)
        return {} if encoded is None else orjson.loads(encoded)


Predicate = Callable[[Instance], bool]


def encoded(properties: Mapping[str, Any]) -> bytes:
    """The JSON that ``Instance.data`` holds. The slice is a copy of the right size: dumps() returns a larger buffer."""
    return orjson.dumps(properties, option=orjson.OPT_APPEND_NEWLINE)[:-1]


class InstanceStore:
    """Deterministic. ``last_seq`` is the number of the latest change (0: none yet)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: live instances
        self.by_key: dict[Key, Instance] = {}
        #: live instances by row; None where one was deleted. Do not change it.
        self.rows: list[Instance | None] = []
        #: by change number - 1; None where a newer change of the same instance follows, or a tombstone is purged
        self._changes: list[Instance | None] = []
        self._tombstones: deque[Instance] = deque()
        self._edges: dict[Reference, dict[Key, Instance]] = {}
        #: (instanceType, space) -> how many live ones, how many tombstones
        self.live: Counter[tuple[str, str]] = Counter()
        self.soft_deleted: Counter[tuple[str, str]] = Counter()
        #: called with live instances that were written (after) and with tombstones (after), once per request
        self.on_write: list[Callable[[list[Instance]], None]] = []
        self.on_delete: list[Callable[[list[Instance]], None]] = []

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def last_seq(self) -> int:
        return len(self._changes)

    def find(self, kind: str, space: str, external_id: str) -> Instance | None:
        """The live instance of that key."""
        return self.by_key.get((kind, space, external_id))

    def has_node(self, reference: Reference) -> bool:
        return ("node", *reference) in self.by_key

    def edges_of(self, node: Reference) -> list[Instance]:
        """Live edges that start or end at a node, in order of their row."""
        return sorted(self._edges.get(node, {}).values(), key=lambda edge: edge.row)

    def scan(self, predicate: Predicate | None = None, row: int = 0) -> Iterator[list[Instance]]:
        """Live instances from ``row`` on that match, in order of their row, in lists (perhaps empty) of at most some thousands."""
        return _matching(self.rows, row, len(self.rows), _CHUNK, predicate)

    def page(self, predicate: Predicate | None, row: int, limit: int) -> tuple[list[Instance], int | None]:
        """At most ``limit`` live instances that match from ``row`` on, and the row where the next page begins unless this was
        the last: rows never move, so pages neither skip nor repeat what stays."""
        found: list[Instance] = []
        for part in _matching(self.rows, row, len(self.rows), limit + 1, predicate):
            found += part
            if len(found) > limit:
                return found[:limit], found[limit - 1].row + 1
        return found, None

    def changes(
        self, predicate: Predicate | None, after: int, limit: int, until: int | None = None
    ) -> tuple[list[Instance], int]:
        """At most ``limit`` instances that match and whose latest change has a number above ``after`` (and at most ``until``), in
        the order of those changes, and the number to give as ``after`` for the next page. Tombstones are among them while they
        are kept (``deleted`` is not None). An instance that changed several times is there once, at its latest change. With
        fewer than ``limit`` the returned number is ``until`` or :attr:`last_seq`: everything until then has been seen."""
        self.purge()
        end = len(self._changes) if until is None else min(until, len(self._changes))
        found: list[Instance] = []
        for part in _matching(self._changes, after, end, limit, predicate):
            found += part
            if len(found) >= limit:
                return found[:limit], found[limit - 1].seq
        return found, max(after, end)

    # -- writing -----------------------------------------------------------------------------------------------------

    def create(
        self,
        kind: str,
        space: str,
        external_id: str,
        *,
        time: int,
        of_type: Reference | None = None,
        start: Reference | None = None,
        end: Reference | None = None,
        data: dict[ContainerKey, bytes] | None = None,
    ) -> Instance:
        """A new instance; there is no live one of that key. ``data`` is kept, not copied."""
        instance = Instance(kind, space, external_id, of_type, start, end, {} if data is None else data, time)
        instance.row = len(self.rows)
        self.rows.append(instance)
        self.by_key[(kind, space, external_id)] = instance
        self._changes.append(instance)
        instance.seq = len(self._changes)
        self.live[(kind, space)] += 1
        if start is not None and end is not None:
            self._connect(instance)
        return instance

    def update(
        self,
        instance: Instance,
        *,
        time: int,
        of_type: Reference | None,
        start: Reference | None,
        end: Reference | None,
        data: dict[ContainerKey, bytes],
    ) -> None:
        """Replace everything that can change of a live instance: a new version."""
        if (start, end) != (instance.start, instance.end):
            self._disconnect(instance)
            instance.start, instance.end = start, end
            self._connect(instance)
        instance.type = of_type
        instance.data = data
        instance.version += 1
        instance.updated = time
        self._changed(instance)

    def delete(self, instances: Iterable[Instance], *, time: int) -> list[Instance]:
        """Make tombstones of live instances and of the edges at those of them that are nodes; all of these are returned."""
        gone: dict[Key, Instance] = {}
        for instance in instances:
            gone[instance.key] = instance
            if instance.kind == "node":
                gone.update(self._edges.get(instance.reference, {}))
        for key, instance in gone.items():
            del self.by_key[key]
            self.rows[instance.row] = None
            if instance.start is not None:
                self._disconnect(instance)
            instance.deleted = instance.updated = time
            instance.version += 1
            self._changed(instance)
            self._tombstones.append(instance)
            self.live[key[:2]] -= 1
            self.soft_deleted[key[:2]] += 1
        return list(gone.values())

    def drop_container(self, container: ContainerKey, properties: Iterable[str] | None = None) -> None:
        """Forget the data of a deleted container, or just of some of its properties. No instance changes by that."""
        for instance in filter(None, self.rows):
            if properties is None:
                instance.data.pop(container, None)
            elif container in instance.data:
                kept = instance.properties(container)
                for name in properties:
                    kept.pop(name, None)
                instance.data[container] = encoded(kept)

    def purge(self) -> None:
        """Forget tombstones older than the retention, as the service does in its own time. Reading changes does it anyway."""
        horizon = self._clock.now_ms() - RETENTION_MS
        while self._tombstones and (self._tombstones[0].deleted or 0) < horizon:
            instance = self._tombstones.popleft()
            self._changes[instance.seq - 1] = None
            self.soft_deleted[(instance.kind, instance.space)] -= 1

    def _changed(self, instance: Instance) -> None:
        self._changes[instance.seq - 1] = None
        self._changes.append(instance)
        instance.seq = len(self._changes)

    def _connect(self, edge: Instance) -> None:
        for node in (edge.start, edge.end):
            if node is not None:
                self._edges.setdefault(node, {})[edge.key] = edge

    def _disconnect(self, edge: Instance) -> None:
        for node in (edge.start, edge.end):
            edges = self._edges.get(node) if node is not None else None
            if edges is not None:
                edges.pop(edge.key, None)
                if not edges and node is not None:
                    del self._edges[node]


def _matching(
    source: list[Instance | None], start: int, end: int, size: int, predicate: Predicate | None
) -> Iterator[list[Instance]]:
    """What matches, piece by piece. The first piece is as large as a page, because mostly nearly everything matches; where little
    does, the pieces grow."""
    while start < end:
        part = source[start : min(start + size, end)]
        if predicate is None:
            yield [one for one in part if one is not None]
        else:
            yield [one for one in part if one is not None and predicate(one)]
        start += size
        size = max(size, min(2 * size, _CHUNK))
