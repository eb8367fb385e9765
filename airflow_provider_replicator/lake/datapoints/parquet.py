# SPDX-License-Identifier: Apache-2.0
"""One data file on its way into a table: row groups on the local disk, then an object, then an entry of a commit."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.datapoints.layout import NAMES
from airflow_provider_replicator.lake.datapoints.rows import file_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from deltalake.transaction import AddAction

    from airflow_provider_replicator.lake.objects import Objects

#: Few different values, or none: worth a dictionary. Measurements and timestamps are not.
_DICTIONARIES = ["externalId", "_instanceSpace", "stringValue", "statusCode"]
_ENCODINGS = {"timestamp": "DELTA_BINARY_PACKED", "value": "PLAIN"}
#: More than the usual 1024: a quarter less time.
_VALUES_AT_ONCE = 1 << 16
_WITH_STATISTICS = ["externalId", "timestamp"]


@dataclass(frozen=True, slots=True)
class NewFile:
    """An object that is there and that no commit has named yet. ``path`` is relative to the table."""

    path: str
    size: int
    rows: int
    values: Mapping[str, str]
    stats: str

    def action(self) -> AddAction:
        """What a commit says of it."""
        from deltalake.transaction import AddAction

        return AddAction(
            path=self.path,
            size=self.size,
            partition_values=dict(self.values),
            modification_time=int(time.time() * 1000),
            data_change=True,
            stats=self.stats,
        )


class ParquetFile:
    """Written by one thread at a time. The disk holds it without a name, so that nothing is left there whatever happens."""

    def __init__(self, values: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        self._values = values
        self._file = tempfile.TemporaryFile(prefix="datapoints-")  # noqa: SIM115 - closed by finish or close
        self._writer = pq.ParquetWriter(
            self._file,
            file_schema(),
            compression="zstd",
            compression_level=1,
            use_dictionary=_DICTIONARIES,
            column_encoding=_ENCODINGS,
            write_statistics=_WITH_STATISTICS,
            store_schema=False,
            write_batch_size=_VALUES_AT_ONCE,
        )
        self._bounds = _Bounds()
        self.rows = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def write(self, rows: pa.Table) -> None:
        """Add rows, as one row group."""
        if rows.num_rows:
            self._writer.write_table(rows, row_group_size=rows.num_rows)
            self._bounds.add(rows)
            self.rows += rows.num_rows

    def finish(self, objects: Objects, table_path: str) -> NewFile:
        """Upload. Until a commit names it, no reader sees it."""
        self._writer.close()
        size = self._file.seek(0, 2)
        self._file.seek(0)
        folder = "/".join(f"{name}={value}" for name, value in self._values.items())
        path = f"{folder}/part-{secrets.token_hex(16)}.zstd.parquet"
        try:
            objects.upload(f"{table_path}/{path}", self._file)
        finally:
            self._file.close()
        return NewFile(path, size, self.rows, self._values, self._bounds.stats(self.rows))

    def close(self) -> None:
        """Give it up."""
        self._writer.close()
        self._file.close()


class _Bounds:
    """What the log says of a file, so that readers can pass over it: first and last key, nulls."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._times: list[int] = []
        self._nulls = dict.fromkeys(NAMES, 0)

    def add(self, rows: pa.Table) -> None:
        import pyarrow.compute as pc

        found = pc.min_max(pc.unique(rows["externalId"]).cast("string")).as_py()
        times = pc.min_max(rows["timestamp"].cast("int64")).as_py()
        for kept, bounds in ((self._names, found), (self._times, times)):
            kept[:] = [min([*kept, bounds["min"]]), max([*kept, bounds["max"]])]
        for name in NAMES:
            self._nulls[name] += rows[name].null_count

    def stats(self, rows: int) -> str:
        stats: dict[str, Any] = {"numRecords": rows, "nullCount": self._nulls}
        if rows:
            for place, which in enumerate(("minValues", "maxValues")):
                stats[which] = {"externalId": self._names[place], "timestamp": _iso(self._times[place])}
        return json.dumps(stats)


def _iso(us: int) -> str:
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
