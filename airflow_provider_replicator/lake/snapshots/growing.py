# SPDX-License-Identifier: Apache-2.0
"""A file that is sent while it is still being written, so that making it and sending it take the time of one of them."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_replicator.exceptions import TransientError

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds between two looks at a file that has not grown.
_LOOK = 0.01


class GrowingFile(io.RawIOBase):
    """Reads ``file`` from its beginning as it grows, and ends when :meth:`finish` was called, never before.

    One thread writes the file, from front to back, and calls :meth:`finish`, or :meth:`abandon` if that came to nothing: then
    reading fails, so that whoever sends it sends no half. Another thread reads. What was read is counted and hashed.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.path = file
        self._opened: BinaryIO | None = None
        self._over = threading.Event()
        self._abandoned = False
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """Of what was read so far, in hex."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """The file is whole."""
        self._over.set()

    def abandon(self) -> None:
        """The file will never be whole. Does nothing after :meth:`finish`."""
        if not self._over.is_set():
            self._abandoned = True
            self._over.set()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, and fewer only at the end."""
        wanted = -1 if size is None else size
        while not self._over.is_set() and not 0 <= wanted <= self._ahead():
            self._over.wait(_LOOK)
        if self._abandoned:
            raise TransientError(f"{self.path.name} was not written to its end")
        data = self._file().read(wanted)  # at once: pieces that are put together take twice the memory
        self._digest.update(data)
        self.bytes += len(data)
        return data

    def _ahead(self) -> int:
        """Bytes that are there and were not read."""
        try:
            return self.path.stat().st_size - self.bytes
        except FileNotFoundError:
            return 0

    def _file(self) -> BinaryIO:
        if self._opened is None:
            self._opened = self.path.open("rb")
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        super().close()
