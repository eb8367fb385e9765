# SPDX-License-Identifier: Apache-2.0
"""Assets that wait to be written: their numbers in memory, the encoded documents in a spool."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.objects.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_replicator.cdf.objects.mapping import Item

#: In place of a parent's id: the document says all there is to know.
SETTLED = -1


class Waiting:
    """Rows in the order of arrival: source id, source id of the parent (0: none), what the target should hold."""

    def __init__(self, spool_bytes: int) -> None:
        import orjson

        self._encode, self._decode = orjson.dumps, orjson.loads
        self._spool = Spool(spool_bytes)
        self._ids = array("q")
        self._parents = array("q")

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, items: Sequence[Item]) -> None:
        documents = [item[2] for item in items]
        self._ids.extend([document["id"] for document in documents])
        self._parents.extend([document.get("parentId", 0) for document in documents])
        self._spool.extend([self._encode(item[1]) for item in items])

    def add_settled(self, items: Sequence[Item]) -> None:
        """Items whose parent is already as it should be in the document."""
        self._ids.extend([0] * len(items))
        self._parents.extend([SETTLED] * len(items))
        self._spool.extend([self._encode(item[1]) for item in items])

    @property
    def ids(self) -> Any:
        import numpy as np

        return np.array(self._ids, dtype=np.int64)

    @property
    def parents(self) -> Any:
        import numpy as np

        return np.array(self._parents, dtype=np.int64)

    def encoded(self, rows: Iterable[int]) -> list[bytes]:
        return self._spool.read(rows)

    def items(self, rows: Iterable[int]) -> list[Item]:
        """The items again. Of the source documents only what the target should hold is left."""
        documents = [self._decode(text) for text in self._spool.read(rows)]
        return [(document["externalId"], document, document) for document in documents]

    def close(self) -> None:
        self._spool.close()
