# SPDX-License-Identifier: Apache-2.0
"""Pages of rows as they come and as they go out again; and what of the target's rows is remembered to compare with.

Numbers keep their digits.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.exact_json import loads

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows, each with ``key`` and ``columns`` as they can be inserted; the cursor of the next page (None: it was the last); and the
    bytes that the answer had.
    """

    rows: list[Row]
    following: str | None
    size: int

    @property
    def bytes_per_row(self) -> float:
        return self.size / len(self.rows) if self.rows else 0.0


def read_page(body: bytes, *, times: bool = False) -> RowPage:
    """An answer as a page of rows; with ``times`` each still has its ``lastUpdatedTime``, and cannot be inserted as it is."""
    answer = loads(body)
    rows = answer["items"]
    if not times:
        for row in rows:
            row.pop("lastUpdatedTime", None)
    return RowPage(rows, answer.get("nextCursor") or None, len(body))


def request_body(rows: Sequence[Row]) -> bytes:
    """The body that inserts these rows."""
    import orjson

    return orjson.dumps({"items": rows})


def hashes(rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """64 bits of the key and of the columns of each row. Good for this process only."""
    import orjson

    dumps, option = orjson.dumps, orjson.OPT_SORT_KEYS
    return [hash(row["key"]) for row in rows], [hash(dumps(row["columns"], option=option)) for row in rows]


class KnownRows:
    """What the target holds of a table: 17 bytes a row. Filled first, then looked up."""

    def __init__(self) -> None:
        self._keys = array("q")
        self._contents = array("q")
        self._sorted: tuple[Any, Any, Any] | None = None

    def __len__(self) -> int:
        return len(self._keys) if self._sorted is None else len(self._sorted[0])

    def add(self, rows: Sequence[Row]) -> None:
        keys, contents = hashes(rows)
        self._keys.extend(keys)
        self._contents.extend(contents)

    def different(self, rows: Sequence[Row]) -> list[Row]:
        """Those of ``rows`` that the target does not have, or has with other columns. All of them count as seen."""
        import numpy as np

        keys, contents, seen = self._sorted or self._sort()
        if not len(keys):
            return list(rows)
        wanted, held = (np.array(column, np.int64) for column in hashes(rows))
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = keys[place] == wanted
        seen[place[found]] = True
        equal = found & (contents[place] == held)
        return [row for row, same in zip(rows, equal.tolist(), strict=True) if not same]

    def unseen(self) -> set[int]:
        """The hashes of the keys that :meth:`different` was never asked about."""
        keys, _, seen = self._sorted or self._sort()
        return set(keys[~seen].tolist())

    def _sort(self) -> tuple[Any, Any, Any]:
        import numpy as np

        # The first page of a table is read twice when the rest is read in parallel.
        keys, first = np.unique(np.array(self._keys, np.int64), return_index=True)
        self._sorted = (keys, np.array(self._contents, np.int64)[first], np.zeros(len(keys), bool))
        self._keys, self._contents = array("q"), array("q")
        return self._sorted
