# SPDX-License-Identifier: Apache-2.0
"""Update sequences: opaque, and good for one database only.

A sequence is a number, a dash, and an Erlang term in base64 that names every shard of its database by range and uuid. That is
read here, as far as it can be, to refuse the sequence of another database: the server would accept it, and copy from somewhere.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any

from airflow_provider_replicator.exceptions import ConfigurationError

FROM_THE_START = "0"
_FORM = re.compile(r"[0-9]+-[A-Za-z0-9_-]+={0,2}")
_TAIL = (
    'write a sequence as the source database gives it (last_seq of _changes, update_seq of the database), or "0" to compare '
    "everything again"
)


def checked_since(value: Any) -> str:
    """``since_seq`` as it is sent. Raises ConfigurationError for numbers and everything else that is no sequence."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value == 0:
            return FROM_THE_START
        raise ConfigurationError(
            f"since_seq is the number {value}: sequences are no numbers since CouchDB 2.0; {_TAIL}"
        )
    if not isinstance(value, str) or not (value == FROM_THE_START or _FORM.fullmatch(value)):
        raise ConfigurationError(f"since_seq is {value!r}: {_TAIL}")
    return value


def foreign(sequence: str, current: Any) -> bool:
    """Whether ``sequence`` and ``current`` (``update_seq``) name the same copies of shards, and none of them is the same one any more.

    Each copy of a shard in a cluster has a uuid of its own, and a sequence names the copies that answered first. So False where they
    name copies on different nodes, and where one of the two cannot be read: other servers may write them as they like.
    """
    named, there = copies(sequence), copies(current)
    both = named.keys() & there.keys()
    return bool(both) and all(named[copy] != there[copy] for copy in both)


def refuse_foreign(sequence: str | None, current: Any, database: str) -> None:
    """Raises ConfigurationError for the sequence of another database, or of one that was deleted and made again."""
    if sequence is not None and foreign(sequence, current):
        raise ConfigurationError(
            f"since_seq belongs to another database than {database}, or to one of that name that is gone: {_TAIL}"
        )


def shards(sequence: Any) -> frozenset[tuple[Any, ...]]:
    """Every (first, last, uuid prefix) that a sequence names; empty if it cannot be read."""
    return frozenset((first, last, uuid) for (_, first, last), uuid in copies(sequence).items())


def copies(sequence: Any) -> dict[tuple[Any, ...], bytes]:
    """(node, first, last) -> uuid prefix of every copy of a shard that a sequence names; empty if it cannot be read."""
    if not isinstance(sequence, str) or "-" not in sequence:
        return {}
    opaque = sequence.split("-", 1)[1]
    try:
        term = _Term(base64.urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4))).whole()
        return {copy: uuid for entry in term for copy, uuid in _copy(entry)}
    except (ValueError, IndexError, TypeError, zlib.error):
        return {}


def _copy(entry: Any) -> list[tuple[tuple[Any, ...], bytes]]:
    """``{Node, [First, Last], {Seq, Uuid, Node}}``; empty where there is no uuid: in a shard not read yet, and in old sequences."""
    node, (first, last), position = entry
    named = isinstance(position, tuple) and isinstance(position[1], bytes)
    return [((node, first, last), position[1])] if named else []


class _Term:
    """As much of Erlang's external term format as a sequence needs."""

    def __init__(self, data: bytes) -> None:
        if data[:1] != b"\x83":
            raise ValueError("no Erlang term")
        if data[1:2] == b"P":  # compressed: the length when it is not, then zlib
            data = data[:1] + zlib.decompress(data[6:])
        self._data = data
        self._at = 1

    def whole(self) -> Any:
        return self._term()

    def _take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) != count:
            raise ValueError("an Erlang term that is cut short")
        self._at += count
        return piece

    def _number(self, count: int) -> int:
        return int.from_bytes(self._take(count), "big")

    def _term(self) -> Any:
        tag = self._number(1)
        if tag in (97, 98):  # integers of one and of four bytes
            return int.from_bytes(self._take(1 if tag == 97 else 4), "big", signed=tag == 98)
        if tag == 110:  # big integers
            count, sign = self._number(1), self._number(1)
            return int.from_bytes(self._take(count), "little") * (-1 if sign else 1)
        if tag in _TEXTS:
            return (
                self._take(self._number(_TEXTS[tag])) if tag == 109 else self._take(self._number(_TEXTS[tag])).decode()
            )
        if tag in (104, 105):  # tuples
            return tuple(self._term() for _ in range(self._number(1 if tag == 104 else 4)))
        return self._list(tag)

    def _list(self, tag: int) -> Any:
        if tag == 106:
            return []
        if tag == 107:  # a list of small numbers is written as text
            return list(self._take(self._number(2)))
        if tag != 108:
            raise ValueError(f"Erlang terms with tag {tag} are no part of a sequence")
        items = [self._term() for _ in range(self._number(4))]
        self._term()  # the end of the list
        return items


#: Tags of atoms and binaries, and the bytes that their length has.
_TEXTS = {100: 2, 118: 2, 115: 1, 119: 1, 109: 4}
