# SPDX-License-Identifier: Apache-2.0
"""Points inside a payload: counted, located, compared and cut, with as little decoding as the question needs.

A payload is a run of records, one per point, ascending in time: ``0x0a <length> <message>``. Ordinary points are all of one
width (18 bytes for a double of today), so that numpy answers for a hundred thousand of them in tenths of a millisecond. Anything
else (zeros are left out on the wire, points before 1970 take ten bytes of timestamp, statuses, strings) falls back to protobuf's own
parser or to a walk over the lengths: slower, and exact too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.protobuf.messages import messages
from airflow_provider_replicator.cdf.protobuf.wire import read_signed, read_varint

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from airflow_provider_replicator.cdf.protobuf.wire import Buffer, Kind

    Ints = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]
    Rows = npt.NDArray[np.uint8]

_TIMESTAMP_TAG = 0x08


@dataclass(frozen=True, slots=True)
class Summary:
    """How many points, and the first and last timestamp (ms; 0 if there is none)."""

    count: int = 0
    first: int = 0
    last: int = 0


def uniform_rows(payload: Buffer) -> Rows | None:
    """The payload as a matrix of bytes, one record a row, if all records have one width below 130; else None."""
    import numpy as np

    size = len(payload)
    if size < 2 or payload[1] > 0x7F:
        return None
    width = 2 + payload[1]
    if size % width:
        return None
    rows = np.frombuffer(payload, np.uint8).reshape(-1, width)
    # If each row begins with the tag and the length of a record this wide, each row is a record.
    return rows if bool((rows[:, 0] == 0x0A).all() and (rows[:, 1] == width - 2).all()) else None


def summary(payload: Buffer, kind: Kind) -> Summary:
    """Count and bounds of a payload. Raises ValueError if it is not one."""
    if not len(payload):
        return Summary()
    rows = uniform_rows(payload)
    if rows is not None:
        return Summary(len(rows), _timestamp(payload, 0), _timestamp(payload, len(payload) - rows.shape[1]))
    points = parse(payload, kind).datapoints
    return Summary(len(points), points[0].timestamp, points[-1].timestamp)


def _timestamp(payload: Buffer, position: int) -> int:
    """The timestamp of the record at ``position``. It is the first field; 1970-01-01 itself is left out on the wire."""
    _, inside = read_varint(payload, position + 1)
    if inside >= len(payload) or payload[inside] != _TIMESTAMP_TAG:
        return 0
    return read_signed(payload, inside + 1)[0]


def parse(payload: Buffer, kind: Kind) -> Any:
    """The payload as a message with ``datapoints``. Raises ValueError if it is none."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    message = messages().string if kind == "string" else messages().numeric
    try:
        return message.FromString(payload)
    except DecodeError as error:
        raise ValueError(f"not a payload of {kind} points: {error}") from error


def timestamps(payload: Buffer, kind: Kind) -> Ints:
    """All timestamps, ms."""
    import numpy as np

    rows = uniform_rows(payload)
    if rows is not None:
        found = uniform_timestamps(rows)
        if found is not None:
            return found
    if not len(payload):
        return np.zeros(0, np.int64)
    points = parse(payload, kind).datapoints
    return np.fromiter((point.timestamp for point in points), np.int64, len(points))


def uniform_timestamps(rows: Rows) -> Ints | None:
    """The timestamps of records of one width, if their varints have one width too; else None."""
    import numpy as np

    size = timestamp_size(rows)
    if size is None:
        return None
    values = np.zeros(len(rows), np.uint64)
    for at in range(size):
        values |= (rows[:, 3 + at] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * at)
    return values.view(np.int64)


def timestamp_size(rows: Rows) -> int | None:
    """The bytes that the timestamp takes in each of these records; None if that differs, or one has none."""
    if rows.shape[1] < 4 or not (rows[:, 2] == _TIMESTAMP_TAG).all():
        return None
    first = rows[0, 3:13]
    ends = (first < 0x80).nonzero()[0]
    if not len(ends):
        return None
    size = int(ends[0]) + 1
    varints = rows[:, 3 : 3 + size]
    if not ((varints[:, :-1] >= 0x80).all() and (varints[:, -1] < 0x80).all()):
        return None
    return size


def record_ends(payload: Buffer) -> Ints:
    """Where each record ends, in bytes from the start of the payload. Raises ValueError if the payload is cut."""
    import numpy as np

    rows = uniform_rows(payload)
    if rows is not None:
        width = rows.shape[1]
        return np.arange(width, len(payload) + 1, width, dtype=np.int64)
    ends, position, size = [], 0, len(payload)
    while position < size:
        length = payload[position + 1]
        position += 2
        if length > 0x7F:
            length, position = read_varint(payload, position - 1)
        position += length
        ends.append(position)
    if position != size:
        raise ValueError("the payload is cut")
    return np.array(ends, np.int64)


def select(payload: Buffer, keep: Mask) -> bytes:
    """The records that ``keep`` marks, in order."""
    rows = uniform_rows(payload)
    if rows is not None:
        return rows[keep].tobytes()
    ends = record_ends(payload)
    view = memoryview(payload)
    starts = ends[keep.nonzero()[0] - 1].tolist() if len(ends) else []
    if len(starts) and keep[0]:
        starts[0] = 0
    return b"".join(view[start:end] for start, end in zip(starts, ends[keep].tolist(), strict=True))


def split(payload: Buffer, parts: int = 2) -> list[bytes]:
    """The payload in up to ``parts`` runs of about as many records."""
    ends = record_ends(payload)
    cuts = sorted({len(ends) * part // parts for part in range(1, parts + 1)} - {0})
    view = memoryview(payload)
    positions = [0, *(int(ends[cut - 1]) for cut in cuts)]
    return [bytes(view[start:end]) for start, end in pairwise(positions)]


@dataclass(frozen=True, slots=True)
class Difference:
    """What it takes to make the target's page equal to the source's. ``write``: records, ``written`` of them. ``delete``: ranges
    ``[begin, end)`` in ms that hold ``deleted`` points of the target and none of the source. ``same``: points that are equal.
    """

    write: bytes
    written: int
    delete: list[tuple[int, int]]
    deleted: int
    same: int


def difference(source: Buffer, target: Buffer, kind: Kind, *, until: int | None = None) -> Difference:
    """Compare two pages of one range, up to the timestamp ``until`` (inclusive; None: to their ends)."""
    import numpy as np

    ours, theirs = timestamps(source, kind), timestamps(target, kind)
    in_range = np.ones(len(ours), bool) if until is None else ours <= until
    left = theirs if until is None else theirs[theirs <= until]
    place = np.searchsorted(left, ours)
    found = np.zeros(len(ours), bool)
    inside = place < len(left)
    found[inside] = left[place[inside]] == ours[inside]
    found &= in_range
    equal = found.copy()
    equal[found] = _equal_records(source, target, found.nonzero()[0], place[found])
    write = in_range & ~equal
    gone = left[~np.isin(left, ours, assume_unique=True)]
    return Difference(
        write=select(source, write) if write.any() else b"",
        written=int(write.sum()),
        delete=_ranges(gone, ours),
        deleted=len(gone),
        same=int(equal.sum()),
    )


def _equal_records(source: Buffer, target: Buffer, ours: Ints, theirs: Ints) -> Mask:
    """Which of the pairs of records (``ours[i]`` of the source, ``theirs[i]`` of the target) have the same bytes."""
    import numpy as np

    left, right = uniform_rows(source), uniform_rows(target)
    if left is not None and right is not None and left.shape[1] == right.shape[1]:
        return np.asarray((left[ours] == right[theirs]).all(axis=1))
    a, b = _cut(source, ours), _cut(target, theirs)
    return np.fromiter((x == y for x, y in zip(a, b, strict=True)), bool, len(a))


def _cut(payload: Buffer, records: Ints) -> list[bytes]:
    if not len(records):
        return []
    ends = record_ends(payload).tolist()
    data = bytes(payload)
    return [data[ends[at - 1] if at else 0 : ends[at]] for at in records.tolist()]


def _ranges(gone: Ints, kept: Ints) -> list[tuple[int, int]]:
    """Ranges that cover ``gone`` and none of ``kept``. Neighbours without a kept point between them share a range."""
    import numpy as np

    if not len(gone):
        return []
    gap = np.searchsorted(kept, gone)
    starts = np.concatenate(([0], (np.diff(gap) != 0).nonzero()[0] + 1))
    ends = np.concatenate((starts[1:] - 1, [len(gone) - 1]))
    return [(int(gone[start]), int(gone[end]) + 1) for start, end in zip(starts, ends, strict=True)]
