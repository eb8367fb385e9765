# SPDX-License-Identifier: Apache-2.0
"""What many changes come to: per series the points that are there in the end, and the rows of a table that are to go.

Changes count in the order in which they were made: the last upsert of a timestamp wins, and a delete takes what was written before
it. Within one update of the API, which has no order of its own, deletes come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.plan import merged
from airflow_provider_replicator.cdf.protobuf.columns import Points
from airflow_provider_replicator.lake.datapoints.doomed import DELETED, REPLACED, key_codes, stamps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from airflow_provider_replicator.lake.datapoints.files import TableFile
    from airflow_provider_replicator.lake.datapoints.layout import Named

    Range = tuple[int, int]
    Key = tuple[str | None, str]


@dataclass(slots=True)
class SeriesChanges:
    """One series: inserted points and deleted ranges ``[begin, end)``, ms, each with its turn."""

    text: bool = False
    upserts: list[tuple[int, Points]] = field(default_factory=list)
    deletes: list[tuple[int, Range]] = field(default_factory=list)

    def net(self) -> Points:
        """The points that are there in the end, ascending in time."""
        import numpy as np

        if not self.upserts:
            return decoded([], text=self.text)
        stamps = np.concatenate([points.timestamps for _, points in self.upserts])
        turns = np.concatenate([np.full(len(points), turn) for turn, points in self.upserts])
        order = np.argsort(stamps, kind="stable")  # of equal timestamps the last one is the youngest
        order = order[np.append(np.diff(stamps[order]) != 0, True)] if len(order) else order
        stamps, turns = stamps[order], turns[order]
        stays = np.ones(len(stamps), bool)
        for turn, (begin, end) in self.deletes:
            low, high = np.searchsorted(stamps, (begin, end))
            stays[low:high] &= turns[low:high] > turn
        kept = order[stays]
        whole = {
            name: np.concatenate([getattr(points, name) for _, points in self.upserts])[kept]
            for name in ("values", "codes", "nulls")
        }
        return Points(stamps[stays], **whole)

    def touched(self) -> npt.NDArray[np.int64]:
        """Timestamps of all upserts, ascending, each once."""
        import numpy as np

        parts = [points.timestamps for _, points in self.upserts]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def decoded(points: Sequence[Mapping[str, Any]], *, text: bool) -> Points:
    """Points as JSON has them, as arrays. Raises ValueError or TypeError for what is none."""
    import numpy as np

    count = len(points)
    stamps = np.fromiter((point["timestamp"] for point in points), np.int64, count)
    nulls = np.fromiter(("value" not in point for point in points), bool, count)
    codes = np.fromiter((point.get("status", _GOOD).get("code", 0) for point in points), np.int64, count)
    if text:
        values = np.empty(count, object)
        values[:] = [point.get("value") for point in points]
        if not all(value is None or isinstance(value, str) for value in values):
            raise TypeError("a value that is no text in a series of strings")
    else:
        # "NaN", "Infinity" and "-Infinity" are texts in JSON.
        values = np.fromiter((float(point.get("value", "nan")) for point in points), np.float64, count)
    return Points(stamps, values, codes, nulls)


_GOOD: Mapping[str, Any] = {}


@dataclass(slots=True)
class Batch:
    """Changes of many series, until they are worth a commit. ``points``: upserts so far."""

    series: dict[Named, SeriesChanges] = field(default_factory=dict)
    whole: dict[Named, int] = field(default_factory=dict)
    points: int = 0
    turn: int = 0

    def update(self, named: Named, upserts: Points, deletes: Sequence[Range], *, text: bool) -> None:
        """The next change of a series."""
        changes = self.series.setdefault(named, SeriesChanges(text))
        changes.deletes += [(self.turn, span) for span in deletes]
        self.turn += 1
        if len(upserts):
            changes.upserts.append((self.turn, upserts))
            self.points += len(upserts)

    def forget(self, named: Named, *, for_good: bool) -> None:
        """All rows of the series go, for good or because they are read from the source anew, younger than all changes so far."""
        self.series.pop(named, None)
        self.whole[named] = DELETED if for_good else REPLACED

    def __bool__(self) -> bool:
        return bool(self.series or self.whole)

    def net(self) -> Iterator[tuple[Named, Points]]:
        """What is there in the end, series by series."""
        for named, changes in self.series.items():
            yield named, changes.net()

    def doomed(self) -> Changed:
        """The rows that have to go for it."""
        spans = {named.key: _Spans.of(changes) for named, changes in self.series.items()}
        extents = [spans_of.extent() for spans_of in spans.values()]
        return Changed(
            spans,
            {named.key: mark for named, mark in self.whole.items()},
            (min((first for first, _ in extents), default=1), max((last for _, last in extents), default=0)),
        )


@dataclass(frozen=True, slots=True)
class _Spans:
    """``stamps`` ascending; ranges ascending and apart: ``begins`` and ``ends``."""

    stamps: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, changes: SeriesChanges) -> _Spans:
        import numpy as np

        ranges = np.array(merged(span for _, span in changes.deletes), np.int64).reshape(-1, 2)
        return cls(changes.touched(), ranges[:, 0], ranges[:, 1])

    def extent(self) -> Range:
        """First and last timestamp that it can touch."""
        firsts, lasts = [*self.stamps[:1], *self.begins[:1]], [*self.stamps[-1:], *(self.ends[-1:] - 1)]
        return int(min(firsts, default=1)), int(max(lasts, default=0))

    def within(self, first: int, last: int) -> bool:
        """Whether any of it is in ``[first, last]``."""
        import numpy as np

        low, high = np.searchsorted(self.stamps, (first, last + 1))
        return bool(low < high or ((self.begins <= last) & (self.ends > first)).any())

    def mark(self, stamps: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        import numpy as np

        marks = np.zeros(len(stamps), np.uint8)
        if len(self.begins):
            at = np.searchsorted(self.begins, stamps, "right") - 1
            marks[(at >= 0) & (stamps < self.ends[at])] = DELETED
        if len(self.stamps):
            at = np.minimum(np.searchsorted(self.stamps, stamps), len(self.stamps) - 1)
            marks[self.stamps[at] == stamps] = REPLACED
        return marks


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows that changes have made old, all of them within ``extent``, first to last; and all rows of the series in ``whole``, with how
    to mark them.
    """

    spans: Mapping[Key, _Spans]
    whole: Mapping[Key, int]
    extent: Range

    def may_touch(self, file: TableFile) -> bool:
        first, last = file.first, file.last
        if first is None or last is None or any(file.may_name(key[1]) for key in self.whole):
            return True
        if last < self.extent[0] or first > self.extent[1]:  # most files: what is new is younger
            return False
        return any(file.may_name(key[1]) and spans.within(first, last) for key, spans in self.spans.items())

    def takes_all(self, _: TableFile) -> bool:
        return False

    def marks(self, keys: pa.RecordBatch) -> npt.NDArray[np.uint8]:
        import numpy as np

        marks = np.zeros(len(keys), np.uint8)
        codes, found = key_codes(keys)
        touched = [(code, key) for code, key in enumerate(found) if key in self.spans or key in self.whole]
        if not touched:
            return marks
        stamps = stamps_of(keys)
        order = np.argsort(codes, kind="stable")
        places = np.searchsorted(codes[order], [bound for code, _ in touched for bound in (code, code + 1)])
        for (_, key), (low, high) in zip(touched, places.reshape(-1, 2).tolist(), strict=True):
            rows = order[low:high]
            marks[rows] = self.whole[key] if key in self.whole else self.spans[key].mark(stamps[rows])
        return marks
