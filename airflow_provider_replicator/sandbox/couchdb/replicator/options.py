# SPDX-License-Identifier: Apache-2.0
"""The fields of a replication document that steer the job: defaults, conversions, refusals. Unknown names are ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, Chars
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import bad_request, failed_with, thrown

#: "not given", where null means something else
MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING"})()


class Settings(Protocol):
    """The ``[replicator]`` section of the server."""

    def integer(self, section: str, key: str, default: int) -> int: ...
    def boolean(self, section: str, key: str) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Times in milliseconds, as in the document."""

    cancel: bool = False
    id: str | None = None
    continuous: bool = False
    create_target: bool = False
    create_target_params: Mapping[str, Any] | None = None
    winning_revs_only: bool = False
    filter: Any = MISSING
    query_params: Mapping[str, Any] | None = None
    doc_ids: tuple[str, ...] | None = None
    selector: Mapping[str, Any] | None = None
    since_seq: Any = MISSING
    use_checkpoints: Any = True
    use_bulk_get: bool = True
    socket_options: None = None
    ibrowse_options: None = None
    checkpoint_interval: int = 30_000
    connection_timeout: int = 30_000
    http_connections: int = 20
    retries: int = 5
    worker_batch_size: int = 500
    worker_processes: int = 4

    @classmethod
    def read(cls, document: Mapping[str, Any], settings: Settings | None = None) -> Options:
        """Raises RejectedDocumentError."""
        given = dict(_converted(name, value) for name, value in document.items() if _meant(name, value))
        if sum(name in given for name in ("doc_ids", "filter", "selector")) > 1:
            raise thrown((Atom("bad_request"), Chars("`doc_ids`,`filter`,`selector` are mutually exclusive")))
        return replace(_defaults(settings), **given)


_NUMBERS = {
    "checkpoint_interval": 30_000,
    "connection_timeout": 30_000,
    "http_connections": 20,
    "worker_batch_size": 500,
    "worker_processes": 4,
}


def _defaults(settings: Settings | None) -> Options:
    if settings is None:
        return Options()
    values: dict[str, Any] = {name: settings.integer("replicator", name, value) for name, value in _NUMBERS.items()}
    for name in ("use_checkpoints", "use_bulk_get"):
        values[name] = settings.boolean("replicator", name)
    return Options(**values, retries=settings.integer("replicator", "retries_per_request", 5))


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"parameter `{name}` must be a boolean")
    return value


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        wanted = "an object" if name == "query_params" else "a JSON object"
        raise bad_request(f"parameter `{name}` must be {wanted}")
    return value


def _number(_: str, value: Any) -> int:
    """Strings of digits will do."""
    if isinstance(value, bool) or not isinstance(value, int | str | list):
        raise failed_with("function_clause")
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or re.fullmatch(r"[+-]?[0-9]+", value) is None:
        raise failed_with("badarg")
    return int(value)


def _as_is(_: str, value: Any) -> Any:
    return value


def _doc_ids(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise bad_request(f"parameter `{name}` must be an array")
    if not all(isinstance(one, str) for one in value):
        raise failed_with("function_clause")
    return tuple(sorted({_unquoted(one) for one in value}))


def _unquoted(doc_id: str) -> str:
    """CouchDB takes document ids for percent-encoded, with ``+`` for a space, and so never finds ``a%25`` or ``a+b``."""
    return unquote_to_bytes(doc_id.replace("+", " ")).decode(errors="replace")


def _erlang(_: str, value: Any) -> Any:
    """``socket_options``: an Erlang list in a string, of which nothing is used here."""
    if not isinstance(value, str):
        raise failed_with("badarg")
    if re.fullmatch(r"\s*[a-z]\w*\s*", value):
        raise failed_with("function_clause")
    return None


def _id(_: str, value: Any) -> str:
    return str(value).replace(" ", "+")


_CONVERTERS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "cancel": ("cancel", _flag),
    "_local_id": ("id", _id),
    "replication_id": ("id", _id),
    "id": ("id", _id),
    "create_target": ("create_target", _flag),
    "create_target_params": ("create_target_params", _object),
    "winning_revs_only": ("winning_revs_only", _flag),
    "continuous": ("continuous", _flag),
    "filter": ("filter", _as_is),
    "query_params": ("query_params", _object),
    "doc_ids": ("doc_ids", _doc_ids),
    "selector": ("selector", _object),
    "worker_processes": ("worker_processes", _number),
    "worker_batch_size": ("worker_batch_size", _number),
    "http_connections": ("http_connections", _number),
    "connection_timeout": ("connection_timeout", _number),
    "retries_per_request": ("retries", _number),
    "since_seq": ("since_seq", _as_is),
    "use_checkpoints": ("use_checkpoints", _as_is),
    "use_bulk_get": ("use_bulk_get", _flag),
    "checkpoint_interval": ("checkpoint_interval", _number),
    "socket_options": ("socket_options", _erlang),
    "ibrowse_options": ("ibrowse_options", _erlang),
}


def _meant(name: str, value: Any) -> bool:
    return name in _CONVERTERS and not (name == "doc_ids" and value is None)


def _converted(name: str, value: Any) -> tuple[str, Any]:
    option, convert = _CONVERTERS[name]
    return option, convert(name, value)
