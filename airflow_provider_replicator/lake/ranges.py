# SPDX-License-Identifier: Apache-2.0
"""An object of S3 as a file that is read here and there: a Parquet file's footer, then the columns that are wanted."""

from __future__ import annotations

import io
from typing import Any

from airflow_provider_replicator.lake.errors import lake_errors


class RangeReader(io.RawIOBase):
    """Each read is one request. Raises FileNotFoundError if there is no such object."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client, self._bucket, self._key = client, bucket, key
        self._position = 0
        with lake_errors(f"read {key}"):
            self._size = int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._position)
        size = left if size is None or size < 0 else min(size, left)
        if not size:
            return b""
        last = self._position + size - 1
        with lake_errors(f"read {self._key}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={self._position}-{last}")
            data: bytes = answer["Body"].read()
        self._position += len(data)
        return data
