# SPDX-License-Identifier: Apache-2.0
"""The manifest: which files are the snapshot. It is the only switch; whoever follows it sees all tables at one moment.

::

    publish/{snapshot}/manifest.json                        replaced last, in one put, on condition that nobody else did
    publish/{snapshot}/{table}.parquet                      stable: copies of what the manifest names, changed one by one
    publish/{snapshot}/versions/{run}/{table}.parquet       never changed; removed some runs later
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
#: The key of a run's sign of life, below the folder of its files.
MARKER = "_running"


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of one snapshot, relative to the lake's root."""

    name: str

    @property
    def folder(self) -> str:
        return f"publish/{self.name}"

    @property
    def manifest(self) -> str:
        return f"{self.folder}/manifest.json"

    @property
    def versions(self) -> str:
        return f"{self.folder}/versions/"

    def run_folder(self, run: str) -> str:
        return f"{self.versions}{run}/"

    def stable(self, table: str, form: str) -> str:
        return f"{self.folder}/{table}.{form}"

    def versioned(self, run: str, table: str, form: str) -> str:
        return f"{self.run_folder(run)}{table}.{form}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """``key`` is the stable one, ``versioned_key`` never changes; ``sha256`` of the content, in hex."""

    key: str
    versioned_key: str
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        return {"key": self.key, "versioned_key": self.versioned_key, "bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One table of the snapshot. ``version`` of the Delta table ``source``, whose own id is ``table_id``; ``changes_version`` where
    changes waited beside it. ``names``: how its columns are called (:class:`.options.SnapshotOptions`).
    """

    name: str
    source: str
    table_id: str
    version: int
    names: str
    rows: int
    columns: tuple[Mapping[str, Any], ...]
    files: Mapping[str, PublishedFile]
    changes_version: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "table_id": self.table_id,
            "version": self.version,
            "changes_version": self.changes_version,
            "names": self.names,
            "rows": self.rows,
            "files": {form: file.as_json() for form, file in self.files.items()},
            "columns": list(self.columns),
        }

    @classmethod
    def from_json(cls, name: str, found: Mapping[str, Any]) -> PublishedTable:
        return cls(
            name=name,
            source=found["source"],
            table_id=found["table_id"],
            version=found["version"],
            names=found["names"],
            changes_version=found["changes_version"],
            rows=found["rows"],
            columns=tuple(found["columns"]),
            files={form: PublishedFile(**file) for form, file in found["files"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``run`` made it. ``history``: earlier runs whose files are still there, the newest first. ``condemned``: runs whose files are
    being removed, and which may therefore publish no more. ``retired``: stable keys of tables that the snapshot no longer has.
    """

    snapshot: str
    run: str
    created: str
    root: str
    tables: Mapping[str, PublishedTable]
    history: tuple[str, ...] = ()
    condemned: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def files(self) -> list[PublishedFile]:
        return [file for table in self.tables.values() for file in table.files.values()]

    @property
    def kept(self) -> set[str]:
        """Runs whose files must stay."""
        return {self.run, *self.history}

    def to_bytes(self) -> bytes:
        found = {
            "format": self.format,
            "snapshot": self.snapshot,
            "run": self.run,
            "created": self.created,
            "root": self.root,
            "tables": {name: table.as_json() for name, table in self.tables.items()},
            "history": list(self.history),
            "condemned": list(self.condemned),
            "retired": list(self.retired),
        }
        return (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> Manifest:
        """Raises LakeError if it is none of ours."""
        try:
            found = json.loads(data)
            if found["format"] != FORMAT:
                raise LakeError(
                    f"{key} has format {found['format']}, of another version of this package: publish under another name"
                )
            return cls(
                snapshot=found["snapshot"],
                run=found["run"],
                created=found["created"],
                root=found["root"],
                tables={name: PublishedTable.from_json(name, table) for name, table in found["tables"].items()},
                history=tuple(found["history"]),
                condemned=tuple(found["condemned"]),
                retired=tuple(found["retired"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LakeError(
                f"{key} is no manifest of a snapshot ({error!r}): remove it, or publish under another name"
            ) from error
