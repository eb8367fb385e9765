# SPDX-License-Identifier: Apache-2.0
"""One Delta table: opened, created, evolved, written. Every write is one commit; a crash leaves the table as it was before.

Nothing here is kept between calls but the address: a handle is a table at one version, and a write through a handle fails if the
same stream was written by somebody else since (see :mod:`.stream`). deltalake's threads do not survive a fork, so it is imported
inside calls, in the process that does the work.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow_provider_replicator.exceptions import (
    LakeConflictError,
    LakeError,
    LakeUnavailableError,
    ReplicatorError,
    SchemaChangedError,
)
from airflow_provider_replicator.lake.columns import PROPERTY
from airflow_provider_replicator.lake.errors import lake_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties

    from airflow_provider_replicator.lake.columns import TableSchema
    from airflow_provider_replicator.lake.location import Lake

    Data: TypeAlias = pa.RecordBatchReader | pa.Table | pa.RecordBatch

OnSchemaChange = Literal["evolve", "freeze"]
#: Reader 1, writer 2 can be read by everything.
#: Opening a table, and each look at a stream's number, reads the commits since the last checkpoint: on S3 a request each.
_CONFIGURATION = {"delta.checkpointInterval": "20"}
#: Rows of a row group. Readers decode a group at a time: with the library's million, publishing a snapshot takes twice the memory.
ROWS_PER_GROUP = 1 << 17


class Table:
    """A table at ``path`` below the lake's root."""

    def __init__(self, lake: Lake, path: str) -> None:
        self.lake = lake
        self.path = path
        self.uri = lake.uri(path)

    def open(self, version: int | None = None) -> DeltaTable | None:
        """A handle at the newest version, or a given one; None if there is no table."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with lake_errors(f"open {self.path}"):
            try:
                return DeltaTable(self.uri, version=version, storage_options=self.lake.options())
            except TableNotFoundError:
                return None

    def at(self, version: int, handle: DeltaTable | None = None) -> DeltaTable:
        """A handle at ``version``, with the credentials of this moment: ``handle`` itself where it is one. Raises LakeError if that
        version is gone.
        """
        if handle is not None and handle.version() == version and self._has_keys_of_now(handle):
            return handle
        found = self.open(version)
        if found is None:
            raise LakeError(f"{self.path}: version {version} is gone")
        return found

    def prepare(
        self, schema: TableSchema, *, on_change: OnSchemaChange = "evolve", handle: DeltaTable | None = None
    ) -> DeltaTable:
        """A handle of the table, created or given the columns that it lacks; ``handle``, if it is open already.

        Raises :class:`SchemaChangedError` for a column of another type, and for new columns where ``on_change`` is ``freeze``.
        Columns that the schema no longer has stay, null in new rows.
        """
        handle = handle or self.open() or self._create(schema)
        lacking = self._lacking(handle, schema)
        if lacking and on_change == "freeze":
            raise SchemaChangedError(
                f"{self.path}: new columns {', '.join(field.name for field in lacking)}, and the table is frozen: "
                "set on_schema_change='evolve', or leave them out of the properties"
            )
        if lacking:
            from deltalake import Schema

            with lake_errors(f"add columns to {self.path}"):
                handle.alter.add_columns(Schema.from_arrow(_arrow_of(lacking)).fields)
        return handle

    def append(self, handle: DeltaTable, data: Data, *, transaction: Transaction | None = None, **writer: Any) -> None:
        """Add rows. ``data`` is streamed: a reader of many batches makes files of about 100 MB and one commit."""
        from deltalake import write_deltalake

        with self.committing(handle, f"append to {self.path}", transaction):
            write_deltalake(
                handle,
                data,
                mode="append",
                schema_mode="merge",  # columns that the data lacks are null
                writer_properties=writer_properties(**writer),
                commit_properties=commit_properties(transaction),
            )

    def replace(
        self,
        handle: DeltaTable,
        data: Data,
        *,
        predicate: str | None = None,
        transaction: Transaction | None = None,
        **writer: Any,
    ) -> None:
        """Replace the rows that ``predicate`` names, or all, by ``data``, all of which must fit the predicate."""
        from deltalake import write_deltalake

        with self.committing(handle, f"replace rows of {self.path}", transaction):
            write_deltalake(
                handle,
                data,
                mode="overwrite",
                schema_mode="merge",
                predicate=predicate,
                writer_properties=writer_properties(**writer),
                commit_properties=commit_properties(transaction),
            )

    def fresh(self, handle: DeltaTable) -> DeltaTable:
        """The same version of the table with the credentials of this moment; ``handle`` itself while they are the same.

        A handle keeps the keys with which it was opened, and a long run outlives those of a role: call this between commits. What
        somebody else has committed since is still a conflict for what is written through the handle that comes back.
        """
        if self._has_keys_of_now(handle):
            return handle
        return self.open(handle.version()) or handle

    def _has_keys_of_now(self, handle: DeltaTable) -> bool:
        return (handle._storage_options or {}) == self.lake.options()

    @contextmanager
    def committing(self, handle: DeltaTable, what: str, transaction: Transaction | None = None) -> Iterator[None]:
        """Around one commit through ``handle``. Where its answer got lost, it is looked up whether ``transaction`` is in the table.

        The library sends such a commit again, finds it there, and takes its own for somebody else's ("concurrent transaction"). The
        numbers of :mod:`.stream` are used once, so one that is there is ours: the commit is done, and ``handle`` is brought up to it.
        """
        try:
            with lake_errors(what):
                yield
        except (LakeConflictError, LakeUnavailableError):
            if transaction is None or not self._has(transaction):
                raise
            with lake_errors(what):
                handle.update_incremental()

    def _has(self, transaction: Transaction) -> bool:
        """Whether it is the last one of its kind; False also where nobody answers, so that the error before is raised."""
        try:
            newest = self.open()
            with lake_errors(f"read the log of {self.path}"):
                return newest is not None and newest.transaction_version(transaction.app_id) == transaction.version
        except ReplicatorError:
            return False

    def properties(self, handle: DeltaTable) -> dict[str, str]:
        """property at the source -> column, as the table remembers it."""
        fields = handle.schema().fields
        return {str(field.metadata[PROPERTY]): field.name for field in fields if PROPERTY in field.metadata}

    def _create(self, schema: TableSchema) -> DeltaTable:
        from deltalake import DeltaTable, Schema

        from airflow_provider_replicator.lake.arrow import arrow_schema

        try:
            with lake_errors(f"create {self.path}"):
                return DeltaTable.create(
                    self.uri,
                    # NOT NULL in the table would turn into a change of the schema, and so into a conflict with whoever else
                    # appends, when data comes whose columns are not declared so. Whether a value is there, arrow.py sees.
                    Schema.from_arrow(_arrow_of([column.with_nullable(True) for column in arrow_schema(schema)])),
                    # Two may create it at once: tried again, the later one would replace the columns of the first.
                    commit_properties=commit_properties(retries=0),
                    partition_by=list(schema.partition_by) or None,
                    configuration=_CONFIGURATION,
                    storage_options=self.lake.options(),
                )
        except (LakeConflictError, LakeError):
            handle = self.open()  # somebody else has just created it, perhaps with other columns
            if handle is None:
                raise
            return handle

    def _lacking(self, handle: DeltaTable, schema: TableSchema) -> list[pa.Field]:
        import pyarrow as pa

        from airflow_provider_replicator.lake.arrow import arrow_schema

        there = pa.schema(handle.schema().to_arrow())
        lacking = []
        for declared in arrow_schema(schema):
            index = there.get_field_index(declared.name)
            if index < 0:
                lacking.append(declared.with_nullable(True))
            elif not _same_type(there.field(index).type, declared.type):
                raise SchemaChangedError(
                    f"{self.path}: column {declared.name} is {there.field(index).type} in the table and {declared.type} at the "
                    "source: write to another table (another prefix), or remove this one so that it is loaded anew"
                )
        return lacking


def _same_type(one: pa.DataType, other: pa.DataType) -> bool:
    """Equal but for names and nullability inside of lists and maps, which Delta spells in its own way."""
    import pyarrow as pa

    if pa.types.is_map(one) and pa.types.is_map(other):
        return _same_type(one.key_type, other.key_type) and _same_type(one.item_type, other.item_type)
    if pa.types.is_list(one) and pa.types.is_list(other):
        return _same_type(one.value_type, other.value_type)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        names = [field.name for field in one]
        return names == [field.name for field in other] and all(
            _same_type(one.field(name).type, other.field(name).type) for name in names
        )
    return bool(one == other)


def _arrow_of(fields: Sequence[pa.Field]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(fields)


def commit_properties(transaction: Transaction | None = None, *, retries: int | None = None) -> CommitProperties:
    """What is committed with the data."""
    from deltalake import CommitProperties

    return CommitProperties(
        app_transactions=[transaction] if transaction is not None else None, max_commit_retries=retries
    )


def writer_properties(
    *, plain: Iterable[str] = (), delta: Iterable[str] = (), rows_per_group: int = ROWS_PER_GROUP
) -> WriterProperties:
    """How Parquet is written: zstd-1. ``plain``: columns for which a dictionary is wasted work (measurements, keys);
    ``delta``: ascending integers and timestamps, stored as differences.
    """
    from deltalake import ColumnProperties, WriterProperties

    columns: Mapping[str, ColumnProperties] = {
        **{name: ColumnProperties(dictionary_enabled=False) for name in plain},
        **{name: ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED") for name in delta},
    }
    return WriterProperties(
        compression="ZSTD",
        compression_level=1,
        max_row_group_size=rows_per_group,
        column_properties=dict(columns) or None,
    )
