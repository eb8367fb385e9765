# SPDX-License-Identifier: Apache-2.0
"""Encoded documents that wait: in memory up to a size, beyond it in a temporary file that vanishes with the process."""

from __future__ import annotations

import io
import tempfile
from array import array
from itertools import accumulate
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Spool:
    """Append only; read by number. Eight bytes of memory per document once it is on disk."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._file: IO[bytes] = io.BytesIO()
        self._in_memory = True
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def extend(self, documents: Sequence[bytes]) -> None:
        file = self._file
        file.seek(0, io.SEEK_END)
        file.write(b"".join(documents))
        ends = accumulate(map(len, documents), initial=self._ends[-1])
        next(ends)
        self._ends.extend(ends)
        if self._in_memory and self._ends[-1] > self._max_bytes:
            self._to_disk()

    def _to_disk(self) -> None:
        memory = self._file
        self._file = tempfile.TemporaryFile(prefix="replicator-")  # noqa: SIM115 - closed by close()
        self._file.write(memory.getvalue())  # type: ignore[attr-defined]
        self._in_memory = False

    def read(self, numbers: Iterable[int]) -> list[bytes]:
        """The documents of these numbers, in their order."""
        file, ends = self._file, self._ends
        documents = []
        for number in numbers:
            begin = ends[number]
            file.seek(begin)
            documents.append(file.read(ends[number + 1] - begin))
        return documents

    def close(self) -> None:
        self._file.close()
