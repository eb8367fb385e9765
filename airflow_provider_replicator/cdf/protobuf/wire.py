# SPDX-License-Identifier: Apache-2.0
"""The outer layers of CDF's datapoint messages, read and written without looking at a point.

A list response and an insertion request embed the same message of points (``NumericDatapoints``, ``StringDatapoints``). So a
page is copied by cutting that message out of the answer and putting it, byte for byte, behind another identifier. Field
numbers are those of the package ``com.cognite.v1.timeseries.proto``; unknown fields are skipped by their wire type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_replicator.exceptions import CdfConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Buffer = bytes | memoryview

Kind = Literal["numeric", "string", "state"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# DataPointListItem
_ID, _IS_STRING, _NEXT_CURSOR, _TYPE = 1, 6, 9, 12
_PAYLOADS: Mapping[int, Kind] = {3: "numeric", 4: "string", 13: "state"}
_TYPES: Mapping[int, Kind] = {1: "numeric", 2: "string", 3: "state"}
# DataPointInsertionItem
_EXTERNAL_ID, _INSTANCE_ID = 2, 5
_PAYLOAD_FIELD: Mapping[Kind, int] = {"numeric": 3, "string": 4, "state": 6}


@dataclass(slots=True)
class PageItem:
    """The answer to one query of a list request. ``payload``: the records of its points, back to back; empty if it has none.

    ``more``: the series has further points in the range that was asked for.
    """

    id: int
    kind: Kind
    payload: Buffer
    more: bool


def read_varint(data: Buffer, position: int) -> tuple[int, int]:
    """The unsigned number at ``position`` and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than ten bytes")


def write_varint(value: int) -> bytes:
    """``value`` as a varint; a negative one as CDF writes it, in ten bytes."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_signed(data: Buffer, position: int) -> tuple[int, int]:
    """The int64 at ``position`` and the position behind it."""
    value, position = read_varint(data, position)
    return value - (1 << 64) if value >= 1 << 63 else value, position


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """``(number, value)`` of each field of a message: an unsigned number, or a slice (of bytes, or of the 4 or 8 fixed ones)."""
    position, end = 0, len(data)
    while position < end:
        tag, position = read_varint(data, position)
        wire = tag & 7
        if wire == _VARINT:
            value, position = read_varint(data, position)
            yield tag >> 3, value
            continue
        size, position = _size(data, position, wire)
        if position + size > end:
            raise ValueError("the message is cut")
        yield tag >> 3, data[position : position + size]
        position += size


def _size(data: memoryview, position: int, wire: int) -> tuple[int, int]:
    if wire == _BYTES:
        return read_varint(data, position)
    if wire in (_FIXED64, _FIXED32):
        return (8 if wire == _FIXED64 else 4), position
    raise ValueError(f"wire type {wire}")


def read_list_response(body: bytes) -> list[PageItem]:
    """The items of an answer to ``/timeseries/data/list``, in its order. Payloads are slices of ``body``, not copies.

    Raises :class:`CdfConnectionError` if the answer is no such message, which only a broken transport can cause.
    """
    try:
        return [_page_item(item) for number, item in fields(memoryview(body)) if number == 1]
    except (ValueError, IndexError, TypeError) as error:
        raise CdfConnectionError(f"/timeseries/data/list: the answer is not readable protobuf: {error}") from error


def _page_item(data: memoryview) -> PageItem:
    item = PageItem(id=0, kind="numeric", payload=b"", more=False)
    for number, value in fields(data):
        if number in _PAYLOADS:
            item.kind = _PAYLOADS[number]
            # A message that comes in several parts is their concatenation: so protobuf defines merging.
            item.payload = value if not item.payload else bytes(item.payload) + bytes(value)
        elif number == _ID:
            item.id = value
        elif number == _NEXT_CURSOR:
            item.more = len(value) > 0
        elif not item.payload and number == _IS_STRING and value:
            item.kind = "string"
        elif not item.payload and number == _TYPE:
            item.kind = _TYPES.get(value, item.kind)
    return item


def external_id_field(external_id: str) -> bytes:
    """The identifier of an insertion item, serialised: a series by external id."""
    return _bytes_field(_EXTERNAL_ID, external_id.encode())


def instance_id_field(space: str, external_id: str) -> bytes:
    """The identifier of an insertion item, serialised: a series backed by a data-model node."""
    return _bytes_field(_INSTANCE_ID, _bytes_field(1, space.encode()) + _bytes_field(2, external_id.encode()))


def _bytes_field(number: int, content: bytes) -> bytes:
    return write_varint(number << 3 | _BYTES) + write_varint(len(content)) + content


def insertion_request(items: Iterable[tuple[bytes, Kind, Iterable[Buffer]]]) -> bytes:
    """A DataPointInsertionRequest. Per series: the serialised identifier, the kind, and payloads that are written one after
    the other. Items without a point must not be passed: CDF refuses them.
    """
    parts: list[Buffer] = []
    for identifier, kind, payloads in items:
        pieces = list(payloads)
        size = sum(len(piece) for piece in pieces)
        head = write_varint(_PAYLOAD_FIELD[kind] << 3 | _BYTES) + write_varint(size)
        parts.append(b"\x0a" + write_varint(len(identifier) + len(head) + size) + identifier + head)
        parts.extend(pieces)
    return b"".join(parts)
