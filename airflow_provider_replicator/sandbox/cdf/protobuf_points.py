# SPDX-License-Identifier: Apache-2.0
"""Numeric and string datapoints as protobuf.

A page of ordinary points (timestamps of 1971 to 2109, no value 0.0, all Good) has one fixed width per point and is
written as one strided array; everything else column by column, with the bytes that a point does not use masked out.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.points_status import symbol_of

#: tag and length of the point, tag of its timestamp, a varint of six bytes | tag of the value | the value: 18 bytes
RECORD = np.dtype(
    {"names": ["head", "middle", "value"], "formats": ["<u8", "<u2", "<f8"], "offsets": [0, 8, 10], "itemsize": 18}
)
HEAD, HEAD_MASK = np.uint64(0x8080_8080_8008_100A), np.uint64(0x8080_8080_80FF_FFFF)
MIDDLE, MIDDLE_MASK = np.uint64(0x1100), np.uint64(0xFF80)
_SHIFT_HEAD, _SHIFT_MIDDLE = np.uint64(24), np.uint64(40)
_SIX_BYTES = (1 << 35, (1 << 42) - 1)
#: the length of a point without value, and which of its 18 bytes a point with value, one without, uses
_SHORT_LENGTH = 7
_USED_BYTES = np.arange(18) < np.array([[18], [9]])
#: With runs of equal kind shorter than this on average, splitting a page into them does not pay.
_SHORT_RUN = 64
#: Points worked on at a time: what they need in between stays in the processor's cache, which is several times faster.
_CHUNK = 8_192


def encode_numeric(points: Points, *, with_status: bool) -> bytes:
    """The body of a NumericDatapoints message."""
    if not len(points):
        return b""
    special = _special(points, with_status=with_status)
    edges = [0, *(np.flatnonzero(special[1:] != special[:-1]) + 1).tolist(), len(points)]
    if len(edges) * _SHORT_RUN > len(points):
        return _encode_general(points, with_status=with_status) if special.any() else _encode_plain(points)
    parts = []
    for start, end in pairwise(edges):
        part = points[start:end]
        parts.append(_encode_general(part, with_status=with_status) if special[start] else _encode_plain(part))
    return b"".join(parts)


def _special(points: Points, *, with_status: bool) -> NDArray[np.bool_]:
    """Points with more to them than a timestamp and a value."""
    special = np.zeros(len(points), np.bool_)
    if points.nulls is not None:
        special |= points.nulls
    if with_status and points.codes is not None:
        special |= points.codes != 0
    return special


def _encode_plain(points: Points) -> bytes:
    low, high = _SIX_BYTES
    if points.times[0] < low or points.times[-1] > high:
        return _encode_general(Points(points.times, points.values), with_status=False)
    records = _fixed_records(points)
    is_zero = np.ascontiguousarray(points.values, dtype="<f8").view(np.uint64) == 0
    return _without_zeros(records, is_zero) if is_zero.any() else records.tobytes()


def _without_zeros(records: NDArray[np.void], is_zero: NDArray[np.bool_]) -> bytes:
    """proto3 leaves out the value 0.0: such a point ends after its timestamp."""
    matrix = records.view(np.uint8).reshape(-1, RECORD.itemsize)
    matrix[is_zero, 1] = _SHORT_LENGTH
    parts = []
    for start in range(0, len(records), _CHUNK):
        part = slice(start, start + _CHUNK)
        parts.append(matrix[part][_USED_BYTES[is_zero[part].view(np.uint8)]].tobytes())
    return b"".join(parts)


def _fixed_records(points: Points) -> NDArray[np.void]:
    records = np.empty(len(points), dtype=RECORD)
    head, middle = records["head"], records["middle"]
    stamps = points.times.view(np.uint64)
    spread, spare = np.empty(_CHUNK, np.uint64), np.empty(_CHUNK, np.uint64)
    for start in range(0, len(points), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(points)))
        size = part.stop - start
        wire.spread_sevens(stamps[part], out=spread[:size], spare=spare[:size])
        np.right_shift(spread[:size], _SHIFT_MIDDLE, out=spare[:size])
        np.bitwise_or(spare[:size], MIDDLE, out=spare[:size])
        middle[part] = spare[:size]
        np.left_shift(spread[:size], _SHIFT_HEAD, out=spread[:size])
        np.bitwise_or(spread[:size], HEAD, out=spread[:size])
        head[part] = spread[:size]
    records["value"] = points.values
    return records


def _encode_general(points: Points, *, with_status: bool) -> bytes:
    parts = []
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK]
        columns = wire.Columns(len(part))
        add_numeric(columns, part, with_status=with_status)
        parts.append(columns.repeated(0x0A))
    return b"".join(parts)


def add_numeric(columns: wire.Columns, points: Points, *, with_status: bool) -> None:
    """The fields of NumericDatapoint."""
    has_value = np.ones(len(points), np.bool_) if points.nulls is None else ~points.nulls
    columns.varint(b"\x08", points.times)
    columns.double(b"\x11", points.values, has_value)
    _add_status(columns, points, with_status=with_status)


def _add_status(columns: wire.Columns, points: Points, *, with_status: bool) -> None:
    if with_status and points.codes is not None and points.codes.any():
        codes, which = np.unique(points.codes, return_inverse=True)
        tails = [status_field(int(code)) for code in codes]
        width = max(map(len, tails))
        table = np.frombuffer(b"".join(tail.ljust(width, b"\0") for tail in tails), np.uint8).reshape(-1, width)
        columns.add(table[which], np.array([len(tail) for tail in tails], np.int64)[which])
    if points.nulls is not None:
        columns.constant(b"\x20\x01", points.nulls)


def status_field(code: int) -> bytes:
    """Good with code 0 is not written."""
    if not code:
        return b""
    return wire.length_field(3, wire.varint_field(1, code) + wire.text_field(2, symbol_of(code)))


def encode_strings(points: Points, *, with_status: bool) -> bytes:
    """The body of a StringDatapoints message."""
    if not len(points):
        return b""
    heads = wire.Columns(len(points))
    heads.varint(b"\x08", points.times)
    edges = [0, *np.cumsum(heads.sizes).tolist()]
    stamps = heads.joined()
    tails = _string_tails(points, with_status=with_status)
    out = []
    for (start, end), value, tail in zip(pairwise(edges), points.values.tolist(), tails, strict=True):
        size = len(value)
        text = (b"\x12" + (_BYTES[size] if size < 128 else wire.varint(size)) + value) if size else b""
        length = end - start + len(text) + len(tail)
        out.append(
            b"\x0a" + (_BYTES[length] if length < 128 else wire.varint(length)) + stamps[start:end] + text + tail
        )
    return b"".join(out)


_BYTES = [bytes([value]) for value in range(128)]


def _string_tails(points: Points, *, with_status: bool) -> list[bytes]:
    if points.codes is None:
        return [b""] * len(points)
    fields = {code: status_field(code) if with_status else b"" for code in set(points.codes.tolist())}
    nulls = np.zeros(len(points), np.bool_) if points.nulls is None else points.nulls
    return [
        fields[code] + (b"\x20\x01" if null else b"")
        for code, null in zip(points.codes.tolist(), nulls.tolist(), strict=True)
    ]
