# SPDX-License-Identifier: Apache-2.0
"""Numeric and string datapoints from protobuf.

Three ways, from fast to slow, each exact for what it accepts: points of one fixed width as one strided array; points
with the fields that clients write, in their usual order, in numpy passes over all points at once; anything else that is
well formed, field by field.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.points_status import code_of
from airflow_provider_replicator.sandbox.cdf.protobuf_points import (
    HEAD,
    HEAD_MASK,
    MIDDLE,
    MIDDLE_MASK,
    RECORD,
    status_field,
)

Int64 = NDArray[np.int64]

_PADDING = 32
_MORE = np.uint64(0x8080_8080_8080_8080)
_PAYLOAD = np.uint64(0x7F7F_7F7F_7F7F_7F7F)
#: the lowest byte without a continuation bit -> the bytes of the varint
_ENDS = np.array([1 << 8 * byte + 7 for byte in range(8)], np.uint64)


def decode_numeric(data: bytes) -> Points:
    """The points of the body of a NumericDatapoints message, in the order given.

    Raises `wire.WireError`, and `ValueError` for a status that does not exist."""
    found = _decode_fixed(data)
    if found is None:
        found = _decode_staged(data, is_string=False)
    return _decode_slowly(data, is_string=False) if found is None else found


def decode_strings(data: bytes) -> Points:
    """The points of the body of a StringDatapoints message, in the order given. Raises as `decode_numeric`."""
    found = _decode_staged(data, is_string=True)
    return _decode_slowly(data, is_string=True) if found is None else found


# -- one width ----------------------------------------------------------------------------------------------------------


def _decode_fixed(data: bytes) -> Points | None:
    if len(data) % RECORD.itemsize:
        return None
    records = np.frombuffer(data, dtype=RECORD)
    head, middle = records["head"].copy(), records["middle"].astype(np.uint64)
    if ((head & HEAD_MASK) != HEAD).any() or ((middle & MIDDLE_MASK) != MIDDLE).any():
        return None
    head >>= np.uint64(24)
    head &= np.uint64(0x007F_7F7F_7F7F)
    middle &= np.uint64(0x7F)
    middle <<= np.uint64(40)
    head |= middle
    wire.gather_sevens(head, spare=middle)
    return Points(head.view(np.int64), records["value"].copy())


# -- all points at once -------------------------------------------------------------------------------------------------


class _Reader:
    """Reads the same field of many points: ``at`` is where each of them has got to, ``ends`` where they end."""

    def __init__(self, data: bytes, starts: Int64, ends: Int64) -> None:
        self._data = data + bytes(_PADDING)
        self._bytes = np.frombuffer(self._data, np.uint8)
        # a word of eight bytes from any byte on
        self._words: NDArray[np.uint64] = np.ndarray((len(self._data) - 7,), "<u8", self._data, strides=(1,))
        self.at = starts
        self.ends = ends

    @property
    def is_done(self) -> bool:
        return bool((self.at == self.ends).all())

    def tagged(self, tag: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self._bytes[self.at] == tag) & (self.at < self.ends)
        return found

    def varints(self, at: Int64) -> tuple[NDArray[np.uint64], Int64]:
        """Values and widths. A width of 11 is no varint."""
        words = self._words[at]
        stops = ~words & _MORE
        lowest = stops & (~stops + np.uint64(1))
        widths = np.searchsorted(_ENDS, lowest).astype(np.int64) + 1
        values = words & (lowest | (lowest - np.uint64(1))) & _PAYLOAD
        wire.gather_sevens(values, spare=words)
        long = np.flatnonzero(stops == 0)
        if len(long):
            ninth, tenth = self._bytes[at[long] + 8], self._bytes[at[long] + 9]
            values[long] |= (ninth & 0x7F).astype(np.uint64) << np.uint64(56)
            values[long] |= np.where(ninth > 0x7F, tenth & 1, 0).astype(np.uint64) << np.uint64(63)
            widths[long] = np.where(ninth <= 0x7F, 9, np.where(tenth <= 0x7F, 10, 11))
        return values, widths

    def times(self) -> Int64:
        present = self.tagged(0x08)
        values, widths = self.varints(self.at + 1)
        values[~present] = 0
        self.at = np.where(present, self.at + 1 + widths, self.at)
        return values.view(np.int64)

    def numbers(self) -> NDArray[np.float64]:
        present = self.tagged(0x11)
        bits = self._words[self.at + 1]
        bits[~present] = 0
        self.at = np.where(present, self.at + 9, self.at)
        return bits.view(np.float64)

    def texts(self) -> NDArray[np.object_] | None:
        """UTF-8 as bytes. None: one of them is not UTF-8, or runs past its point."""
        present = self.tagged(0x12)
        sizes, widths = self.varints(self.at + 1)
        begins = np.where(present, self.at + 1 + widths, self.at)
        self.at = np.where(present, begins + sizes.view(np.int64), self.at)
        if (self.at > self.ends).any() or (self.at < begins).any():
            return None
        data = self._data
        pieces = [data[begin:end] for begin, end in zip(begins.tolist(), self.at.tolist(), strict=True)]
        try:
            b"\n".join(pieces).decode()
        except UnicodeDecodeError:
            return None
        out = np.empty(len(pieces), object)
        out[:] = pieces
        return out

    def codes(self) -> NDArray[np.uint32] | None:
        """Statuses as servers and the SDK write them, code and symbol or only the code. None: some are not."""
        codes = np.zeros(len(self.at), np.uint64)
        present = np.flatnonzero(self.tagged(0x1A))
        if len(present):
            codes[present] = self.varints(self.at[present] + 3)[0]
            for code in np.unique(codes[present]).tolist():
                if code >= 1 << 32 or not self._is_status(code, present[codes[present] == code]):
                    return None
        return codes.astype(np.uint32)

    def _is_status(self, code: int, rows: Int64) -> bool:
        """Whether these rows go on with the bytes of this status; if so, step over them."""
        try:
            full = status_field(code_of(code, None))
        except ValueError:
            return False
        bare = wire.length_field(3, wire.varint_field(1, code))
        for expected in (full, bare):
            reach = self.at[rows] + len(expected)
            if (reach <= self.ends[rows]).all():
                ahead = self._bytes[self.at[rows, None] + np.arange(len(expected))]
                if (ahead == np.frombuffer(expected, np.uint8)).all():
                    self.at[rows] = reach
                    return True
        return False

    def nulls(self) -> NDArray[np.bool_]:
        present: NDArray[np.bool_] = self.tagged(0x20) & (self._bytes[self.at + 1] == 1)
        self.at = np.where(present, self.at + 2, self.at)
        return present


def _decode_staged(data: bytes, *, is_string: bool) -> Points | None:
    bounds = _walk(data) if is_string else _short_records(data)
    if bounds is None:
        return None
    reader = _Reader(data, *bounds)
    times = reader.times()
    if (reader.at > reader.ends).any():
        return None
    values = reader.texts() if is_string else reader.numbers()
    if values is None or (reader.at > reader.ends).any():
        return None
    codes = reader.codes()
    if codes is None:
        return None
    nulls = reader.nulls()
    if not reader.is_done:
        return None
    return Points(times, values, codes if codes.any() else None, nulls if nulls.any() else None)


def _walk(data: bytes) -> tuple[Int64, Int64] | None:
    """Where each point begins and ends, from length to length; None for lengths of three bytes and for other fields."""
    starts, ends = [], []
    position, size = 0, len(data)
    data += bytes(_PADDING)
    while position < size:
        if data[position] != 0x0A:
            return None
        length = data[position + 1]
        position += 2
        if length > 0x7F:
            if data[position] > 0x7F:
                return None
            length = length & 0x7F | data[position] << 7
            position += 1
        starts.append(position)
        position += length
        ends.append(position)
    return (np.array(starts, np.int64), np.array(ends, np.int64)) if position == size else None


def _short_records(data: bytes) -> tuple[Int64, Int64] | None:
    """The same as `_walk` without walking, for points of less than 128 bytes.

    Every ``0a`` that could begin a point is a candidate; those that another point's value contains are dropped by
    following the chain of lengths where it skips a candidate."""
    body = np.frombuffer(data + bytes(_PADDING), dtype=np.uint8)
    candidates = np.flatnonzero(body[: len(data)] == 0x0A)
    lengths, third = body[candidates + 1], body[candidates + 2]
    plausible = (lengths < 128) & ((third == 0x08) | (third == 0x11) | (third == 0x1A) | (lengths == 0))
    candidates = candidates[plausible]
    following = candidates + 2 + lengths[plausible]
    if not len(candidates) or candidates[0] != 0:
        return None
    keep = np.ones(len(candidates), np.bool_)
    at = 0
    for broken in np.flatnonzero(following[:-1] != candidates[1:]).tolist():
        if broken < at:
            continue
        at = int(np.searchsorted(candidates, following[broken]))
        if at < len(candidates) and candidates[at] != following[broken]:
            return None
        keep[broken + 1 : at] = False
    starts, ends = candidates[keep] + 2, following[keep]
    return (starts, ends) if ends[-1] == len(data) else None


# -- field by field -----------------------------------------------------------------------------------------------------


def _decode_slowly(data: bytes, *, is_string: bool) -> Points:
    fields = wire.fields(data, 0, len(data))
    spans = [(start, end) for number, kind, start, end in fields if (number, kind) == (1, wire.LENGTH)]
    return _collect([_point(data, start, end, is_string=is_string) for start, end in spans], is_string=is_string)


_Point = tuple[int, float | bytes, int, bool]


def _point(data: bytes, start: int, end: int, *, is_string: bool) -> _Point:
    """Of a field that comes twice the last counts; fields that are not known are skipped."""
    time, code, null = 0, 0, False
    value: float | bytes = b"" if is_string else 0.0
    for number, kind, begin, stop in wire.fields(data, start, end):
        match number, kind:
            case 1, wire.VARINT:
                time = wire.signed(wire.read_varint(data, begin)[0])
            case 2, wire.LENGTH if is_string:
                value = wire.text(data, begin, stop).encode()
            case 2, wire.FIXED64 if not is_string:
                value = struct.unpack_from("<d", data, begin)[0]
            case 3, wire.LENGTH:
                code = _status(data, begin, stop)
            case 4, wire.VARINT:
                null = bool(wire.read_varint(data, begin)[0])
    return time, value, code, null


def _status(data: bytes, start: int, end: int) -> int:
    code, symbol = 0, ""
    for number, kind, begin, stop in wire.fields(data, start, end):
        if (number, kind) == (1, wire.VARINT):
            code = wire.read_varint(data, begin)[0]
        elif (number, kind) == (2, wire.LENGTH):
            symbol = wire.text(data, begin, stop)
    # proto3 cannot tell "code 0" from "no code": then the symbol alone decides
    return code_of(code or None, symbol or None)


def _collect(rows: list[_Point], *, is_string: bool) -> Points:
    count = len(rows)
    codes = np.fromiter((row[2] for row in rows), np.uint32, count)
    nulls = np.fromiter((row[3] for row in rows), np.bool_, count)
    values = np.empty(count, object if is_string else np.float64)
    values[:] = [row[1] for row in rows]
    times = np.fromiter((row[0] for row in rows), np.int64, count)
    return Points(times, values, codes if codes.any() else None, nulls if nulls.any() else None)
