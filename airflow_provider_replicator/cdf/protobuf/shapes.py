# SPDX-License-Identifier: Apache-2.0
"""Numeric points whose records are of a few shapes, decoded shape by shape.

Zeros are left out on the wire, statuses add some bytes, and timestamps before 1970 take ten: a page of such points has records of
several widths, but each width has few shapes, and all records of one shape are decoded at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_replicator.cdf.protobuf.points import parse, uniform_rows
from airflow_provider_replicator.cdf.protobuf.wire import read_signed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from airflow_provider_replicator.cdf.protobuf.wire import Buffer

    Bytes = npt.NDArray[np.uint8]
    Ints = npt.NDArray[np.int64]

_RECORD, _STAMP, _DOUBLE = 0x0A, 0x08, 0x11
#: Shapes of one width: more than that are not worth the trouble.
_MOST_SHAPES = 32


@dataclass(frozen=True, slots=True)
class Columns:
    """As :class:`~airflow_provider_replicator.cdf.protobuf.columns.Points` has them."""

    timestamps: Ints
    values: npt.NDArray[np.float64]
    codes: Ints
    nulls: npt.NDArray[np.bool_]


def decode_shapes(payload: Buffer) -> Columns | None:
    """All points of a payload; None if its records are too many-shaped, or none at all."""
    import numpy as np

    data = np.frombuffer(payload, np.uint8)
    starts = _starts(payload)
    if starts is None:
        return None
    count = len(starts)
    found = Columns(
        np.zeros(count, np.int64), np.zeros(count, np.float64), np.zeros(count, np.int64), np.zeros(count, bool)
    )
    widths = data[starts + 1]
    for length in np.unique(widths).tolist():
        places = (widths == length).nonzero()[0]
        rows = np.lib.stride_tricks.sliding_window_view(data, 2 + length)[starts[places]]
        if not _decode_width(found, places, rows):
            return None
    return found


def _starts(payload: Buffer) -> Ints | None:
    """Where each record begins; None if there is one of 128 bytes or more, or something else."""
    import numpy as np

    rows = uniform_rows(payload)
    if rows is not None:
        return np.arange(0, rows.size, rows.shape[1], dtype=np.int64)
    found: list[int] = []
    add = found.append
    raw = bytes(payload)
    at, end = 0, len(raw) - 1
    while at < end:  # the one thing that has to be done one by one: a hundred nanoseconds each
        add(at)
        at += raw[at + 1] + 2
    starts = np.array(found, np.int64)
    data = np.frombuffer(raw, np.uint8)
    good = at == end + 1 and bool((data[starts] == _RECORD).all() and (data[starts + 1] < 0x80).all())
    return starts if good else None


def _decode_width(found: Columns, places: Ints, rows: Bytes) -> bool:
    """Decode records of one width. False: too many shapes, or an unknown one."""
    for _ in range(_MOST_SHAPES):
        shape = _Shape.of(rows[0].tobytes())
        if shape is None:
            return False
        fits = shape.fits(rows)
        shape.decode(found, places[fits], rows[fits])
        rows, places = rows[~fits], places[~fits]
        if not len(rows):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Shape:
    """``size`` bytes of timestamp (0: left out), a value or none, and then always the same ``tail``: status ``code``, ``null``."""

    size: int
    value: bool
    tail: bytes
    code: int
    null: bool

    @classmethod
    def of(cls, record: bytes) -> _Shape | None:
        """The shape of one record; None if it is not written as the API does."""
        size = read_signed(record, 3)[1] - 3 if record[2:3] == bytes([_STAMP]) else 0
        at = 2 + (1 + size if size else 0)
        value = record[at : at + 1] == bytes([_DOUBLE])
        tail = record[at + 9 if value else at :]
        if tail[:1] not in (b"", b"\x1a", b"\x20"):
            return None
        try:
            point = parse(record, "numeric").datapoints[0]
        except (ValueError, IndexError):
            return None
        return cls(size, value, tail, point.status.code, point.nullValue)

    def fits(self, rows: Bytes) -> npt.NDArray[np.bool_]:
        """Which records have this shape."""
        import numpy as np

        fits = np.ones(len(rows), bool)
        at = 2
        if self.size:
            fits &= (rows[:, 2] == _STAMP) & (rows[:, 2 + self.size] < 0x80)
            for byte in range(3, 2 + self.size):
                fits &= rows[:, byte] >= 0x80
            at += 1 + self.size
        if self.value:
            fits &= rows[:, at] == _DOUBLE
            at += 9
        for byte, expected in enumerate(self.tail, at):
            fits &= rows[:, byte] == expected
        return fits

    def decode(self, found: Columns, places: Ints, rows: Bytes) -> None:
        """Put what these records hold in its places."""
        import numpy as np

        at = 2
        if self.size:
            stamps = np.zeros(len(rows), np.uint64)
            for byte in range(self.size):
                stamps |= (rows[:, 3 + byte] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * byte)
            found.timestamps[places] = stamps.view(np.int64)
            at += 1 + self.size
        if self.null:
            found.values[places] = np.nan
        elif self.value:
            found.values[places] = np.ascontiguousarray(rows[:, at + 1 : at + 9]).view("<f8").reshape(-1)
        found.codes[places] = self.code
        found.nulls[places] = self.null
