# SPDX-License-Identifier: Apache-2.0
"""Rows that the source no longer has: counted table by table, deleted at the end, if the guard agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import DeleteGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.raw.rows import KnownRows
    from airflow_provider_replicator.cdf.raw.tables import Table
    from airflow_provider_replicator.core.report import Report

_KEYS_PER_DELETE = 1000


class RowDeletes:
    """Rows say nothing of where they come from, so every row of a table that the run covers counts as ours."""

    def __init__(self, target: CdfClient, report: Report, *, max_fraction: float) -> None:
        self._target = target
        self._report = report
        self._max_fraction = max_fraction
        self._missing: list[tuple[Table, frozenset[int]]] = []
        self._rows = 0
        self._emptied: list[Table] = []

    def compared(self, table: Table, known: KnownRows, *, rows_in_source: int) -> None:
        """A table was read on both sides, to the end."""
        self._rows += len(known)
        missing = known.unseen()
        if missing:
            self._missing.append((table, frozenset(missing)))
        if missing and not rows_in_source:
            self._emptied.append(table)

    async def apply(self, *, dry_run: bool) -> None:
        """Delete. Raises DeleteGuardError, and deletes nothing, if a table would be emptied or too many rows would go."""
        self._guard()
        for table, missing in self._missing:
            if dry_run:
                self._report.deleted += len(missing)
            else:
                await self._delete(table, missing)

    def _guard(self) -> None:
        if self._emptied:
            names = ", ".join(map(str, self._emptied[:5]))
            raise DeleteGuardError(
                f"{len(self._emptied)} tables have rows in the target and none in the source ({names}). Nothing was deleted, "
                "everything else was copied. If that is right, delete these tables in the target"
            )
        gone = sum(len(missing) for _, missing in self._missing)
        if gone > self._max_fraction * self._rows:
            raise DeleteGuardError(
                f"{gone} of {self._rows} rows of the target are not in the source; max_delete_fraction={self._max_fraction} does "
                "not allow to delete them. Nothing was deleted, everything else was copied. If that is right, raise it"
            )

    async def _delete(self, table: Table, missing: frozenset[int]) -> None:
        """Only hashes of keys are remembered, so the keys are read once more."""
        keys: list[str] = []
        cursor = None
        while True:
            answer = await self._target.get_json(
                f"{table.path}/rows", params={"columns": ",", "limit": 10_000, "cursor": cursor}
            )
            keys += [row["key"] for row in answer["items"] if hash(row["key"]) in missing]
            cursor = answer.get("nextCursor")
            if not cursor:
                break
        for start in range(0, len(keys), _KEYS_PER_DELETE):
            await self._delete_keys(table, keys[start : start + _KEYS_PER_DELETE])

    async def _delete_keys(self, table: Table, keys: Sequence[str]) -> None:
        await self._target.post_json(f"{table.path}/rows/delete", {"items": [{"key": key} for key in keys]})
        self._report.deleted += len(keys)
