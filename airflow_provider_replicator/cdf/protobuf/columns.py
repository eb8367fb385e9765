# SPDX-License-Identifier: Apache-2.0
"""Points as columns, and back: needed only where somebody wants to see or change the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.protobuf.points import parse
from airflow_provider_replicator.cdf.protobuf.shapes import decode_shapes
from airflow_provider_replicator.cdf.protobuf.wire import write_varint

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from airflow_provider_replicator.cdf.protobuf.points import Rows
    from airflow_provider_replicator.cdf.protobuf.wire import Buffer, Kind

_VALUE = 9  # a tag and eight bytes of double


@dataclass(frozen=True, slots=True)
class Points:
    """``timestamps``: int64[n], ms. ``values``: float64[n], NaN where there is none; or object[n] of str, None where there is none.
    ``codes``: int64[n], status codes, 0 is good. ``nulls``: bool[n], points without a value.
    """

    timestamps: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    codes: npt.NDArray[np.int64]
    nulls: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.timestamps)


def decode(payload: Buffer, kind: Kind) -> Points:
    """The points of a payload. Raises ValueError if it is not one."""
    if kind == "numeric" and len(payload):
        return _decode_uniform(payload) or _decode_shapes(payload) or _decode_any(payload, kind)
    return _decode_any(payload, kind)


def _decode_shapes(payload: Buffer) -> Points | None:
    found = decode_shapes(payload)
    return None if found is None else Points(found.timestamps, found.values, found.codes, found.nulls)


def _decode_uniform(payload: Buffer) -> Points | None:
    """Records that all are tag, length, timestamp of one width (7 bytes at most: 1970 to 19807) and value; else None.

    Each record is looked at as two words of eight bytes, at any alignment: its head, and its timestamp with the tag behind it.
    """
    import numpy as np

    size = len(payload)
    if size < 3 + 1 + _VALUE or payload[1] > 1 + 7 + _VALUE or size % (2 + payload[1]):
        return None
    width = 2 + payload[1]
    stamp_bytes = width - 3 - _VALUE
    if stamp_bytes < 1:
        return None
    heads = _every(payload, 0, width, "<u8") & np.uint64(0xFFFFFF)
    if not (heads == np.uint64(0x08 << 16 | (width - 2) << 8 | 0x0A)).all():
        return None
    words = _every(payload, 3, width, "<u8").copy()
    goes_on = sum(0x80 << 8 * at for at in range(stamp_bytes - 1))
    looked_at = np.uint64(goes_on | 0x80 << 8 * (stamp_bytes - 1) | 0xFF << 8 * stamp_bytes)
    if not ((words & looked_at) == np.uint64(goes_on | 0x11 << 8 * stamp_bytes)).all():
        return None
    stamps = words & np.uint64(0x7F)
    for at in range(1, stamp_bytes):
        words >>= np.uint64(1)  # a byte holds seven bits of the number
        stamps |= words & np.uint64(0x7F << 7 * at)
    count = len(words)
    values = _every(payload, 4 + stamp_bytes, width, "<f8").astype(np.float64)
    return Points(stamps.view(np.int64), values, np.zeros(count, np.int64), np.zeros(count, bool))


def _every(payload: Buffer, offset: int, width: int, kind: str) -> npt.NDArray[Any]:
    """What is at ``offset`` of each record, without copying."""
    import numpy as np

    return np.ndarray((len(payload) // width,), kind, buffer=payload, offset=offset, strides=(width,))


def _decode_any(payload: Buffer, kind: Kind) -> Points:
    import numpy as np

    found = parse(payload, kind).datapoints if len(payload) else []
    count = len(found)
    nulls = np.fromiter((point.nullValue for point in found), bool, count)
    if kind == "string":
        values = np.empty(count, object)
        values[:] = [None if point.nullValue else point.value for point in found]
    else:
        values = np.fromiter((point.value for point in found), np.float64, count)
        values[nulls] = np.nan
    return Points(
        np.fromiter((point.timestamp for point in found), np.int64, count),
        values,
        np.fromiter((point.status.code for point in found), np.int64, count),
        nulls,
    )


def encode(points: Points, kind: Kind) -> bytes:
    """The payload of these points. Statuses are written as codes; the symbol follows from the code."""
    if not len(points):
        return b""
    return _encode_strings(points) if kind == "string" else _encode_numbers(points)


def _encode_numbers(points: Points) -> bytes:
    """Records are grouped by their shape (width of the timestamp, code, null), and each group is laid out at once."""
    import numpy as np

    keys = (points.codes << 5) | (_varint_sizes(points.timestamps) << 1) | points.nulls
    found, group = np.unique(keys, return_inverse=True)
    shapes = [_Shape(size=key >> 1 & 15, code=key >> 5, null=bool(key & 1)) for key in found.tolist()]
    widths = np.array([shape.width for shape in shapes])
    starts = np.concatenate(([0], np.cumsum(widths[group])))
    out = np.empty(int(starts[-1]), np.uint8)
    for index, shape in enumerate(shapes):
        chosen = (group == index).nonzero()[0]
        rows = _rows(points, chosen, shape)
        if len(shapes) == 1:
            return rows.tobytes()
        begins = starts[chosen]
        for column in range(rows.shape[1]):  # byte by byte: ten times faster than one index of two dimensions
            out[begins + column] = rows[:, column]
    return out.tobytes()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What records have in common that are laid out alike: bytes of the timestamp, status code, and whether there is a value."""

    size: int
    code: int
    null: bool

    @property
    def width(self) -> int:
        return 3 + self.size + (0 if self.null else _VALUE) + len(self.tail)

    @property
    def tail(self) -> bytes:
        return _tail(self.code, null=self.null)


def _rows(points: Points, chosen: npt.NDArray[np.int64], shape: _Shape) -> Rows:
    import numpy as np

    size, width, tail = shape.size, shape.width, shape.tail
    rows = np.empty((len(chosen), width), np.uint8)
    rows[:, 0], rows[:, 1], rows[:, 2] = 0x0A, width - 2, 0x08
    stamps = points.timestamps[chosen].view(np.uint64)
    for at in range(size):
        byte = (stamps >> np.uint64(7 * at)).astype(np.uint8) & np.uint8(0x7F)
        rows[:, 3 + at] = byte if at == size - 1 else byte | np.uint8(0x80)
    if not shape.null:
        rows[:, 3 + size] = 0x11
        values = np.ascontiguousarray(points.values[chosen], "<f8")
        rows[:, 4 + size : 12 + size] = values.view(np.uint8).reshape(-1, 8)
    rows[:, width - len(tail) :] = np.frombuffer(tail, np.uint8)
    return rows


def _varint_sizes(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    import numpy as np

    sizes = np.ones(len(values), np.int64)
    unsigned = values.view(np.uint64)
    for bits in range(7, 64, 7):
        sizes += unsigned >= np.uint64(1 << bits)
    return sizes


def _tail(code: int, *, null: bool) -> bytes:
    """Status and null flag: the last fields of a point."""
    status = b"" if not code else b"\x08" + write_varint(code)
    return (b"\x1a" + bytes([len(status)]) + status if status else b"") + (b"\x20\x01" if null else b"")


def _encode_strings(points: Points) -> bytes:
    parts = []
    columns = zip(points.timestamps.tolist(), points.values, points.codes.tolist(), points.nulls.tolist(), strict=True)
    for stamp, value, code, null in columns:
        text = b"" if null else value.encode()
        body = b"\x08" + write_varint(stamp)
        if text:
            body += b"\x12" + write_varint(len(text)) + text
        body += _tail(code, null=null)
        parts.append(b"\x0a" + write_varint(len(body)) + body)
    return b"".join(parts)
