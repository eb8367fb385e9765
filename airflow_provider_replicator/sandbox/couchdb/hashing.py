# SPDX-License-Identifier: Apache-2.0
"""The name of a new revision: CouchDB's own, so that the same edit on any two servers gives the same revision.

It is the MD5 of an Erlang list in the external term format: deleted or not, number and hash of the revision before, the
body, the attachments.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment

_ATOMS = {value: b"d" + struct.pack(">H", len(name)) + name for value, name in ((True, b"true"), (False, b"false"))}
_NULL = b"d\x00\x04null"
_NIL = b"j"
_VERSION = b"\x83"
_LONGEST_STRING = 65535


def new_rev(
    parent: str | None, body: Mapping[str, Any], attachments: Mapping[str, Attachment], *, deleted: bool
) -> str:
    """``body`` is without the members that begin with ``_`` (but for the replicator's)."""
    number, _, name = (parent or "0-").partition("-")
    before = _binary(_hash_bytes(name)) if name else _integer(0)
    # CouchDB walks the attachments from the last to the first.
    listed = [_tuple(_text(a), _text(one.content_type), _binary(one.md5)) for a, one in attachments.items()]
    term = _list([_ATOMS[deleted], _integer(int(number)), before, _object(body), _list(listed[::-1])])
    name = hashlib.md5(_VERSION + term, usedforsecurity=False).hexdigest()
    return f"{int(number) + 1}-{name}"


def _hash_bytes(name: str) -> bytes:
    try:
        return bytes.fromhex(name) if len(name) == 32 else name.encode()
    except ValueError:
        return name.encode()


def _term(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        return _text(value)
    if kind is int:
        return _integer(value)
    if kind is dict:
        return _object(value)
    if kind is list:
        return _array(value)
    if kind is float:
        return b"F" + struct.pack(">d", value)
    return _NULL if value is None else _ATOMS[value]


def _text(value: str) -> bytes:
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    return b"m" + struct.pack(">I", len(value)) + value


def _integer(value: int) -> bytes:
    if 0 <= value <= 255:
        return b"a" + bytes((value,))
    if -(2**31) <= value < 2**31:
        return b"b" + struct.pack(">i", value)
    digits = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    return b"n" + bytes((len(digits), value < 0)) + digits


def _tuple(*items: bytes) -> bytes:
    return b"h" + bytes((len(items),)) + b"".join(items)


def _list(items: Iterable[bytes]) -> bytes:
    listed = list(items)
    return b"l" + struct.pack(">I", len(listed)) + b"".join(listed) + _NIL if listed else _NIL


def _array(value: list[Any]) -> bytes:
    """A list of nothing but bytes is a string to Erlang."""
    if 0 < len(value) <= _LONGEST_STRING and all(type(one) is int and 0 <= one <= 255 for one in value):
        return b"k" + struct.pack(">H", len(value)) + bytes(value)
    return _list([_term(one) for one in value])


def _object(value: Mapping[str, Any]) -> bytes:
    return _tuple(_list([_tuple(_text(name), _term(one)) for name, one in value.items()]))
