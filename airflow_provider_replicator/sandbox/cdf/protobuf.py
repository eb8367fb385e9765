# SPDX-License-Identifier: Apache-2.0
"""The protobuf wire format: varints and fields one at a time, and columns of many records in one numpy pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bytes2D = NDArray[np.uint8]
Int64 = NDArray[np.int64]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
_U64 = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are not a well-formed message."""


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The unsigned value at ``position`` and the position after it."""
    value = shift = 0
    for index in range(position, min(position + _MAX_VARINT, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _U64, index + 1
        shift += 7
    raise WireError("truncated or overlong varint")


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def varint(value: int) -> bytes:
    value &= _U64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """``(field number, wire type, value start, value end)`` of each field in ``data[start:end]``.

    A LENGTH value is without its prefix."""
    position = start
    while position < end:
        tag, position = read_varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == LENGTH:
            size, position = read_varint(data, position)
            stop = position + size
        elif wire == VARINT:
            stop = read_varint(data, position)[1]
        elif wire in (FIXED64, FIXED32):
            stop = position + (8 if wire == FIXED64 else 4)
        else:
            raise WireError(f"unsupported wire type {wire}")
        if stop > end or number == 0:
            raise WireError("field runs past the end of its message")
        yield number, wire, position, stop
        position = stop


def text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode()
    except UnicodeDecodeError as error:
        raise WireError("text is not UTF-8") from error


def length_field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | LENGTH) + varint(len(payload)) + payload


def text_field(number: int, value: str | None) -> bytes:
    return length_field(number, value.encode()) if value else b""


def varint_field(number: int, value: int) -> bytes:
    """proto3: a value of 0 is not written."""
    return varint(number << 3 | VARINT) + varint(value) if value else b""


_U64Array = NDArray[np.uint64]
#: (bits that stay, bits that move up, by how many), three times: halves, quarters, groups of seven
_SPREAD = tuple(
    (np.uint64(stay), np.uint64(move), np.uint64(shift))
    for stay, move, shift in (
        (0x0000_0000_0FFF_FFFF, 0x00FF_FFFF_F000_0000, 4),
        (0x0000_3FFF_0000_3FFF, 0x0FFF_C000_0FFF_C000, 2),
        (0x007F_007F_007F_007F, 0x3F80_3F80_3F80_3F80, 1),
    )
)


def spread_sevens(values: _U64Array, *, out: _U64Array, spare: _U64Array) -> None:
    """The low 56 bits of each value as eight groups of seven bits, one group per byte (no continuation bits)."""
    for stay, move, shift in _SPREAD:
        np.bitwise_and(values, move, out=spare)
        np.left_shift(spare, shift, out=spare)
        np.bitwise_and(values, stay, out=out)
        np.bitwise_or(out, spare, out=out)
        values = out


def gather_sevens(spread: _U64Array, *, spare: _U64Array) -> None:
    """The inverse of `spread_sevens`, in place; bit 7 of every byte has to be clear."""
    for stay, move, shift in reversed(_SPREAD):
        np.right_shift(spread, shift, out=spare)
        np.bitwise_and(spare, move, out=spare)
        np.bitwise_and(spread, stay, out=spread)
        np.bitwise_or(spread, spare, out=spread)


#: the smallest value whose varint has 2, 3 … 10 bytes
_WIDER = np.array([1 << 7 * extra for extra in range(1, _MAX_VARINT)], np.uint64)


def varint_columns(values: Int64) -> tuple[Bytes2D, Int64]:
    """Every value as up to ten byte columns, and how many of them its varint uses (at least one)."""
    unsigned = values.view(np.uint64)
    if unsigned.max(initial=0) < 0x80:
        return unsigned.astype(np.uint8)[:, None], np.ones(len(values), np.int64)
    groups = np.zeros((len(values), 16), dtype=np.uint8)
    low = np.empty_like(unsigned)
    spread_sevens(unsigned, out=low, spare=np.empty_like(unsigned))
    groups.view("<u8")[:, 0] = low
    groups[:, 8] = (unsigned >> np.uint64(56)).astype(np.uint8) & 0x7F
    groups[:, 9] = (unsigned >> np.uint64(63)).astype(np.uint8)
    width = np.searchsorted(_WIDER, unsigned, side="right") + 1
    columns = groups[:, : width.max()]
    columns |= (np.arange(1, columns.shape[1] + 1) < width[:, None]).view(np.uint8) << np.uint8(7)
    return columns, width


class Columns:
    """Many records of the same shape, built part by part; of each part a record uses the first so many bytes."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sizes = np.zeros(count, np.int64)
        self._parts: list[tuple[Bytes2D, Int64]] = []

    def add(self, part: Bytes2D, sizes: Int64) -> None:
        """``part`` is (count, width) or broadcasts to it, ``sizes`` (count,)."""
        self._parts.append((part, sizes))
        self.sizes += sizes

    def constant(self, value: bytes, present: NDArray[np.bool_]) -> None:
        self.add(np.frombuffer(value, dtype=np.uint8)[None, :], present * np.int64(len(value)))

    def varint(self, tag: bytes, values: Int64) -> None:
        """A varint field, left out where the value is 0."""
        present = values != 0
        self.constant(tag, present)
        columns, sizes = varint_columns(values)
        self.add(columns, sizes * present)

    def double(self, tag: bytes, values: NDArray[np.float64], present: NDArray[np.bool_]) -> None:
        """A double field, left out where not ``present`` or where its bits are 0 (+0.0)."""
        values = np.ascontiguousarray(values, dtype="<f8")
        present = present & (values.view(np.uint64) != 0)
        self.constant(tag, present)
        self.add(values.view(np.uint8).reshape(-1, 8), present * np.int64(8))

    def nested(self, tag: bytes, inner: Columns, present: NDArray[np.bool_]) -> None:
        """A message field; ``inner`` stays under 128 bytes in a record."""
        if inner.sizes.max(initial=0) > 0x7F:
            raise ValueError("a nested record is limited to 127 bytes")
        self.constant(tag, present)
        self.add(inner.sizes.astype(np.uint8)[:, None], present.astype(np.int64))
        for part, sizes in inner._parts:
            self.add(part, sizes * present)

    def repeated(self, tag: int) -> bytes:
        """All records one after the other, each as a LENGTH field with the one-byte ``tag``."""
        prefix, width = varint_columns(self.sizes)
        first = np.array([[tag]], np.uint8), np.ones(self.count, np.int64)
        return self._joined([first, (prefix, width), *self._parts])

    def joined(self) -> bytes:
        """All records one after the other, nothing in between."""
        return self._joined(self._parts)

    def _joined(self, parts: list[tuple[Bytes2D, Int64]]) -> bytes:
        total = sum(part.shape[1] for part, _ in parts)
        everything = np.empty((self.count, total), np.uint8)
        used = np.empty((self.count, total), np.bool_)
        left = 0
        for part, sizes in parts:
            right = left + part.shape[1]
            everything[:, left:right] = part
            np.less(np.arange(right - left), sizes[:, None], out=used[:, left:right])
            left = right
        return everything[used].tobytes()
