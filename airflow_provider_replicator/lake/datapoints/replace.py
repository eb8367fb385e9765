# SPDX-License-Identifier: Apache-2.0
"""New files in, doomed rows out, in one commit. Whoever commits in between is looked at again, never overwritten.

The files are objects already when the commit is tried, and a commit is accepted only as the successor of the very version that was
looked at. So a conflict costs a look at what is new in the table and another try, and the source is not read again; and if the answer
to a commit was lost, the next look finds our files in the table.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeConflictError
from airflow_provider_replicator.lake.datapoints.files import files_of, look
from airflow_provider_replicator.lake.errors import lake_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deltalake import DeltaTable, Transaction

    from airflow_provider_replicator.lake.datapoints.files import Doomed, Looked, TableFile
    from airflow_provider_replicator.lake.datapoints.layout import Layout
    from airflow_provider_replicator.lake.datapoints.parquet import NewFile
    from airflow_provider_replicator.lake.table import Table

#: How often a commit is tried while others commit to the same table, and the longest wait in between, seconds.
_TRIES = 60
_LONGEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Replaced:
    """``gone``: rows that were taken out, ``deleted`` of them surely for good. ``version``: the table's with the commit, None if there
    was nothing to do.
    """

    gone: int
    deleted: int
    version: int | None

    @classmethod
    def by(cls, looked: Iterable[Looked], version: int) -> Replaced:
        found = list(looked)
        return cls(sum(one.gone for one in found), sum(one.deleted for one in found), version)


@dataclass(slots=True)
class Replacement:
    """``new`` files in, ``doomed`` rows out.

    ``transactions`` are made for each try from the handle that it commits through. ``is_done``: whether a handle already has what an
    earlier try wanted to commit; None: if the first new file is there.
    """

    table: Table
    layout: Layout
    new: Sequence[NewFile]
    doomed: Doomed
    transactions: Callable[[DeltaTable], list[Transaction]] = lambda _: []
    is_done: Callable[[DeltaTable], bool] | None = None
    _looked: dict[str, Looked] = field(default_factory=dict)
    _tried: bool = False

    async def commit(self) -> Replaced:
        """Raises LakeConflictError when others were always faster; nothing is in the table then."""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.05 * 2**attempt)))
            try:
                return await asyncio.to_thread(self._try)
            except LakeConflictError:
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError

    def would_touch(self) -> bool:
        """Whether the table has a file in which there may be doomed rows."""
        handle = self.table.open()
        return handle is not None and any(map(self.doomed.may_touch, files_of(handle, self.layout)))

    async def abandon(self) -> bool:
        """Remove the files that this made, if they are certainly in no version of the table; whether they are not.

        After a commit was tried nobody knows: its answer may be what went wrong.
        """
        if not self._tried:
            await asyncio.to_thread(self._remove, [looked.rest for looked in self._looked.values()])
        return not self._tried

    def _try(self) -> Replaced:
        handle = self.table.open()
        assert handle is not None
        files = list(files_of(handle, self.layout))
        there = {file.path for file in files}
        if self._is_done(handle, there):  # the answer to an earlier try of ours was lost
            gone = (looked for path, looked in self._looked.items() if path not in there)
            return Replaced.by(gone, handle.version())
        touched = [(file, self._look(file)) for file in files if self.doomed.may_touch(file)]
        touched = [(file, looked) for file, looked in touched if looked.gone]
        transactions = self.transactions(handle)
        if not self.new and not touched and not transactions:
            return Replaced(0, 0, None)
        version = handle.version() + 1
        self._commit(handle, touched, transactions)
        used = {looked.rest.path for _, looked in touched if looked.rest} | there
        self._remove([looked.rest for looked in self._looked.values() if looked.rest and looked.rest.path not in used])
        return Replaced.by((looked for _, looked in touched), version)

    def _is_done(self, handle: DeltaTable, there: set[str]) -> bool:
        if self.is_done is not None:
            return self.is_done(handle)
        return bool(self.new) and self.new[0].path in there

    def _look(self, file: TableFile) -> Looked:
        """Each file once, however often the commit is tried: files never change."""
        if file.path not in self._looked:
            self._looked[file.path] = look(self.table.lake.objects(), self.table.path, file, self.doomed)
        return self._looked[file.path]

    def _commit(
        self, handle: DeltaTable, touched: Sequence[tuple[TableFile, Looked]], transactions: list[Transaction]
    ) -> None:
        from deltalake import CommitProperties

        rests = [looked.rest for _, looked in touched if looked.rest is not None]
        self._tried = True
        with lake_errors(f"write {self.table.path}"):
            handle.create_write_transaction(
                [*(file.action() for file in (*self.new, *rests)), *(file.action() for file, _ in touched)],
                "append",  # what it takes away is named, not meant
                handle.schema(),
                list(self.layout.schema.partition_by),
                commit_properties=CommitProperties(max_commit_retries=0, app_transactions=transactions or None),
            )

    def _remove(self, files: Sequence[NewFile | None]) -> None:
        self.table.lake.objects().delete([f"{self.table.path}/{file.path}" for file in files if file is not None])
