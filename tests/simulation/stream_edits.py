# SPDX-License-Identifier: Apache-2.0
"""The people at the source, continued: datapoints that are added, corrected and deleted, raw rows that come, change and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulation.edits import ObjectEditor

if TYPE_CHECKING:
    import random

    from tests.simulation.world import World

#: Points lie in the four hours from here, so that windows of hours cut through them. Some worlds begin before 1970.
POINT_EPOCHS = (1_704_000_000_000, -3_600_000 * 2)
SPAN_MS = 4 * 3_600_000
STATUSES = (None, None, None, {"code": 0x40000000}, {"code": 0x80000000})


class PointEditor:
    """Edits the points of every series of one project."""

    def __init__(self, world: World, project: str, rng: random.Random, *, append_only: bool = False) -> None:
        self._world = world
        self._project = project
        self._rng = rng
        self._epoch = rng.choice(POINT_EPOCHS)
        self._append_only = append_only
        self._last: dict[int, int] = {}

    @property
    def span(self) -> tuple[int, int]:
        """``[start, end)`` in ms: every point lies in it, but for those of series that only grow."""
        return self._epoch, self._epoch + SPAN_MS

    def series(self) -> list[dict[str, Any]]:
        return [entry.doc for entry in self._world.server.projects[self._project].timeseries.by_id.values()]

    def populate(self, points: int) -> None:
        for doc in self.series():
            if self._rng.random() < 0.85:
                self._insert(doc, self._rng.randrange(1, points + 1))

    def edit(self) -> None:
        docs = self.series()
        if not docs:
            return
        doc = self._rng.choice(docs)
        if not self._append_only and self._rng.random() < 0.35:
            self._delete(doc)
        else:
            self._insert(doc, self._rng.randrange(1, 6))

    def _insert(self, doc: dict[str, Any], count: int) -> None:
        points = {}
        for timestamp in self._timestamps(doc["id"], count):
            points[timestamp] = {"timestamp": timestamp, **self._value(doc["isString"])}
        ordered = [points[timestamp] for timestamp in sorted(points)]
        self._ask("/timeseries/data", {"items": [{"id": doc["id"], "datapoints": ordered}]})

    def _timestamps(self, series: int, count: int) -> list[int]:
        rng, start = self._rng, self._epoch
        if not self._append_only:
            # Few distinct times, so that corrections hit.
            return [start + rng.randrange(0, 240) * 60_000 + rng.choice((0, 0, 1)) for _ in range(count)]
        times = []
        last = self._last.get(series, start)
        for _ in range(count):
            last += rng.randrange(1, 120_000)
            times.append(last)
        self._last[series] = last
        return times

    def _value(self, is_string: bool) -> dict[str, Any]:
        rng = self._rng
        value: Any = (
            rng.choice(("", "on", "øff", str(rng.random())))
            if is_string
            else rng.choice((0, 0.0, rng.gauss(0, 9), 1e99))
        )
        status = rng.choice(STATUSES)
        if status is None:
            return {"value": value}
        if status["code"] == 0x80000000 and rng.random() < 0.5:
            return {"value": None, "status": status}
        return {"value": value, "status": status}

    def _delete(self, doc: dict[str, Any]) -> None:
        start, end = self.span
        begin = start + self._rng.randrange(0, 240) * 60_000
        until = min(begin + self._rng.choice((1, 60_000, 3_600_000)), end)
        item = {"id": doc["id"], "inclusiveBegin": begin, "exclusiveEnd": until}
        self._ask("/timeseries/data/delete", {"items": [item]})

    def _ask(self, path: str, payload: Any) -> None:
        status, answer = self._world.ask(self._project, "POST", path, payload)
        if status >= 400:
            raise AssertionError(f"{path} {payload}: {status} {answer}")
        self._world.note(f"edit {self._project} {path} {payload} -> {status}")


class RawEditor:
    """Edits raw databases, tables and rows of one project. Names begin with ``prefix``."""

    def __init__(self, world: World, project: str, rng: random.Random, *, prefix: str = "") -> None:
        self._world = world
        self._project = project
        self._rng = rng
        self._tables = [(f"{prefix}db{n}", name) for n in range(2) for name in ("plain", "a/b c%")]

    def populate(self, rows: int) -> None:
        for db, table in self._rng.sample(self._tables, self._rng.randrange(1, 4)):
            self._insert(db, table, rows)
        if self._rng.random() < 0.2:
            self._ask(
                f"/raw/dbs/{quote(self._tables[0][0], safe='')}/tables?ensureParent=true",
                {"items": [{"name": "empty"}]},
            )

    def edit(self) -> None:
        db, table = self._rng.choice(self._tables)
        if self._rng.random() < 0.3:
            self._delete(db, table)
        else:
            self._insert(db, table, self._rng.randrange(1, 6))

    def _insert(self, db: str, table: str, count: int) -> None:
        rng = self._rng
        # One row of each table is never deleted: an emptied table is what the delete guard is for.
        keys = {"kept", *(f"r{rng.randrange(60)}" for _ in range(count))}
        rows = [{"key": key, "columns": self._columns()} for key in sorted(keys)]
        self._ask(f"{self._path(db, table)}?ensureParent=true", {"items": rows})

    def _columns(self) -> dict[str, Any]:
        values = (None, "", "støy", 1, 1.5, True, [1, "a"], {"b": {"c": None}})
        return {f"c{self._rng.randrange(4)}": self._rng.choice(values) for _ in range(self._rng.randrange(4))}

    def _delete(self, db: str, table: str) -> None:
        keys = [{"key": f"r{self._rng.randrange(60)}"} for _ in range(self._rng.randrange(1, 20))]
        self._ask(f"{self._path(db, table)}/delete", {"items": keys})

    @staticmethod
    def _path(db: str, table: str) -> str:
        return f"/raw/dbs/{quote(db, safe='')}/tables/{quote(table, safe='')}/rows"

    def _ask(self, path: str, payload: Any) -> None:
        status, _ = self._world.ask(self._project, "POST", path, payload)
        self._world.note(f"edit {self._project} {path} {payload} -> {status}")


__all__ = ["ObjectEditor", "PointEditor", "RawEditor"]
