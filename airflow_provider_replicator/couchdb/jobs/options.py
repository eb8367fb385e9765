# SPDX-License-Identifier: Apache-2.0
"""What is replicated: checked whole before anything is sent, because a server ignores what it does not know and chokes on zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.couchdb.jobs.choices import Owner, Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.fields import FIELDS, check_value, refuse_unknown
from airflow_provider_replicator.exceptions import ConfigurationError

__all__ = ["Owner", "Policies", "ReplicationOptions", "WaitLimits"]


@dataclass(frozen=True, kw_only=True)
class ReplicationOptions:
    """Databases and options of one replication, by the server's own names (times in milliseconds, as the server has them).

    None means: not sent, the server's default holds. ``doc_ids`` are plain ids: escaping is done where the document is made.
    ``since_seq`` is a sequence of this very source, or "0" (compare everything again); with it go no checkpoints
    (``use_checkpoints`` becomes false), because a checkpoint that has begun in the middle makes later runs skip what was before.
    ``extra`` holds further options by name; names that the server would silently ignore are refused, with the nearest known one.
    Raises ConfigurationError. Holds no secrets, ever, so it may be logged.
    """

    source_db: str
    target_db: str
    continuous: bool = False
    create_target: bool = False
    create_target_params: Mapping[str, Any] | None = None
    doc_ids: Sequence[str] | None = None
    selector: Mapping[str, Any] | None = None
    filter: str | None = None
    query_params: Mapping[str, str] | None = None
    since_seq: str | None = None
    use_checkpoints: bool | None = None
    checkpoint_interval: int | None = None
    worker_processes: int | None = None
    worker_batch_size: int | None = None
    http_connections: int | None = None
    connection_timeout: int | None = None
    retries_per_request: int | None = None
    socket_options: str | None = None
    ibrowse_options: str | None = None
    proxy: str | None = None
    source_proxy: str | None = None
    target_proxy: str | None = None
    use_bulk_get: bool | None = None
    winning_revs_only: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._fold_extra()
        for name in ("source_db", "target_db"):
            if not isinstance(value := getattr(self, name), str) or not value:
                raise ConfigurationError(f"{name} is {value!r}: write the name of a database")
        for name in FIELDS:
            if (value := getattr(self, name)) is not None:
                self._set(name, check_value(name, value))
        self._check_selection()
        self._check_companions()
        self._check_since()

    @classmethod
    def of(cls, source_db: str, target_db: str, options: Mapping[str, Any] | None = None) -> ReplicationOptions:
        """From a mapping of the server's names, as users write it."""
        return cls(source_db=source_db, target_db=target_db, extra=dict(options or {}))

    def sent(self) -> dict[str, Any]:
        """The options that are not the server's defaults anyway, as fields of the document (``doc_ids`` not escaped yet)."""
        values = {name: getattr(self, name) for name in FIELDS}
        chosen = {name: list(held) if isinstance(held, tuple) else held for name, held in values.items()}
        return {
            name: held for name, held in chosen.items() if held is not None and not (name in _OFF and held is False)
        }

    @property
    def checkpoints(self) -> bool:
        """Whether the job writes checkpoints, and starts from the last one."""
        return self.use_checkpoints is not False

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _fold_extra(self) -> None:
        refuse_unknown(self.extra)
        for name, value in self.extra.items():
            if getattr(self, name) not in (None, False, value):
                raise ConfigurationError(f"{name} is given twice")
            if value is not None:
                self._set(name, value)
        self._set("extra", {})

    def _check_selection(self) -> None:
        chosen = [name for name in ("doc_ids", "selector", "filter") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ConfigurationError(f"{' and '.join(chosen)} exclude each other: give one of them")
        if self.proxy is not None and (self.source_proxy is not None or self.target_proxy is not None):
            raise ConfigurationError("proxy is for both ends: give it, or source_proxy and target_proxy, not both")

    def _check_companions(self) -> None:
        """Options that would be silently ignored without another one."""
        if self.query_params is not None and self.filter is None:
            raise ConfigurationError("query_params are for a filter, and there is none: give filter, or leave them out")
        if self.create_target_params is not None and not self.create_target:
            raise ConfigurationError("create_target_params have no effect without create_target: add it")
        view = (self.query_params or {}).get("view", "")
        if self.filter == "_view" and not all(view.partition("/")):
            raise ConfigurationError("filter _view needs query_params with view: design document/view")

    def _check_since(self) -> None:
        if self.since_seq is None:
            return
        if self.use_checkpoints:
            raise ConfigurationError(
                "since_seq together with use_checkpoints would make later runs skip all that is older than since_seq: "
                "leave use_checkpoints out"
            )
        self._set("use_checkpoints", False)


#: Options that are off by default, and as good as absent when they are false.
_OFF = frozenset({"continuous", "create_target", "winning_revs_only"})
