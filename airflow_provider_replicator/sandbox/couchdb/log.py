# SPDX-License-Identifier: Apache-2.0
"""The order of updates: each document stands once, where it was changed last."""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right

from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")
#: A sequence is an Erlang term: ``[{Node, [0, 4294967295], {Number, <<7 bytes of the shard's uuid>>, Node}}]``, one shard here. Its
#: pieces are as long as threes of bytes, so that base64 of the whole is that of the pieces.
_NODE = b"w\x0fcouch@127.0.0.1"
_BEFORE_NUMBER = b"\x83l\0\0\0\1h\3" + _NODE + b"l\0\0\0\2a\0n\4\0\xff\xff\xff\xffjh\3n\6\0"
_AFTER_NUMBER = b"m\0\0\0\7%s" + _NODE + b"j"
#: Terms of other databases and servers begin so: not compressed, or compressed.
_TERMS = (b"\x83l", b"\x83P")
_NUMBER_BYTES = 6
_COMPACT_FROM = 1024


class ChangeLog:
    """Numbers count updates from 1. Places of documents that were changed again are empty until the log is compacted."""

    def __init__(self) -> None:
        self.last = 0
        self._numbers: list[int] = []
        self._documents: list[Document | None] = []
        self._empty = 0

    def append(self, document: Document) -> int:
        """The new last update is of this document."""
        self.forget(document)
        self.last += 1
        document.seq = self.last
        self._numbers.append(self.last)
        self._documents.append(document)
        return self.last

    def skip(self) -> None:
        """Something changed that is no document."""
        self.last += 1

    def forget(self, document: Document) -> None:
        if document.seq:
            at = bisect_right(self._numbers, document.seq) - 1
            self._documents[at] = None
            self._empty += 1
            document.seq = 0
            if self._empty > _COMPACT_FROM and self._empty > len(self._documents) // 2:
                self._compact()

    def _compact(self) -> None:
        kept = [document for document in self._documents if document is not None]
        self._documents = list(kept)
        self._numbers = [document.seq for document in kept]
        self._empty = 0

    def __len__(self) -> int:
        return len(self._documents) - self._empty

    def after(self, number: int) -> list[Document]:
        """What was changed after this update, oldest first."""
        found = self._documents[bisect_right(self._numbers, number) :]
        return [one for one in found if one is not None] if self._empty else found  # type: ignore[return-value]

    def page(self, number: int, limit: int) -> list[Document]:
        """The first ``limit`` of :meth:`after`, without making the rest."""
        at = bisect_right(self._numbers, number)
        size, found = limit, self._documents[at : at + limit]
        while self._empty:
            kept = [one for one in found if one is not None]
            if len(kept) >= limit or at + size >= len(self._documents):
                return kept[:limit]
            size *= 2
            found = self._documents[at : at + size]
        return found  # type: ignore[return-value]

    def count_after(self, number: int) -> int:
        at = bisect_right(self._numbers, number)
        return len(self._documents) - at - (self._documents[at:].count(None) if self._empty else 0)


class Sequences:
    """Numbers as the opaque strings of one database: ``12-g2wAAAAB…``. Only the part after the dash counts."""

    def __init__(self, uuid: str) -> None:
        self._tail = _AFTER_NUMBER % bytes.fromhex(uuid)[:7]
        self._prefix = b"-" + _base64(_BEFORE_NUMBER)
        self._suffix = _base64(self._tail)

    def encode(self, number: int) -> bytes:
        return b"%d%s%s%s" % (number, self._prefix, _base64(number.to_bytes(_NUMBER_BYTES, "little")), self._suffix)

    def decode(self, text: str) -> int:
        """A sequence of another database means the beginning, as on the real server. Raises 400 for what is none."""
        if text == "0":
            return 0
        matched = re.fullmatch(r'(?:\[\d+\s*,\s*"([^"]*)"\]|"?(?:\d+-)?([^"]*)"?)', text)
        opaque = (matched.group(1) or matched.group(2) or "") if matched else ""
        try:
            padded = opaque.encode("ascii") + b"=" * (-len(opaque) % 4)
            raw = binascii.a2b_base64(padded.translate(_PLAIN), strict_mode=True)
        except (ValueError, binascii.Error):
            raw = b""
        if len(raw) <= _NUMBER_BYTES or not raw.startswith(_TERMS):
            raise bad_request("Malformed sequence supplied in 'since' parameter.")
        ours = raw.startswith(_BEFORE_NUMBER) and raw[len(_BEFORE_NUMBER) + _NUMBER_BYTES :] == self._tail
        return int.from_bytes(raw[len(_BEFORE_NUMBER) :][:_NUMBER_BYTES], "little") if ours else 0


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE)
