# SPDX-License-Identifier: Apache-2.0
"""The fields of a replication document, one by one: what each may hold, and which names of old clients mean what today.

A server ignores unknown names and accepts values that wedge it, so both are refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_replicator.core.fields import flag
from airflow_provider_replicator.couchdb.jobs.sequences import checked_since
from airflow_provider_replicator.exceptions import ConfigurationError


def _flag(name: str, value: Any) -> bool:
    try:
        return flag(value)
    except ValueError:
        raise ConfigurationError(f"{name} is {value!r}: write true or false") from None


def _count(name: str, value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigurationError(
            f"{name} is {value!r}: write a whole number >= 1 (zero makes a server hang), or leave it out"
        )
    return number


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name} is {value!r}: write text, or leave it out")
    return value


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is {type(value).__name__}: write an object (a dictionary)")
    return dict(value)


def _parameters(name: str, value: Any) -> dict[str, Any]:
    for key, held in _object(name, value).items():
        if not isinstance(held, str):
            raise ConfigurationError(f"{name}: {key} is {held!r}: filters get text only, write it as text")
    return dict(value)


def _ids(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ConfigurationError(f"{name} is {type(value).__name__}: write a list of document ids")
    for one in value:
        if not isinstance(one, str) or not one:
            raise ConfigurationError(f"{name} holds {one!r}: write document ids, as text")
    return tuple(value)


def _filter(name: str, value: Any) -> str:
    text = _text(name, value)
    if text in ("_doc_ids", "_selector"):
        raise ConfigurationError(f"{name} is {text!r}: give {text[1:]} instead")
    if not text.startswith("_") and not all(text.partition("/")):
        raise ConfigurationError(f"{name} is {text!r}: write design document/name, such as people/by_city")
    return text


def _proxy(name: str, value: Any) -> str:
    text = _text(name, value)
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https", "socks5") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise ConfigurationError(
            f"{name} is no URL of a proxy: it begins with http://, https:// or socks5:// and a host"
        )
    if parts.username is not None:
        raise ConfigurationError(f"{name} holds credentials, and options are logged: name a proxy that needs none")
    return text


#: How each field is checked. The order is that of documents.
FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "continuous": _flag,
    "create_target": _flag,
    "create_target_params": _object,
    "doc_ids": _ids,
    "selector": _object,
    "filter": _filter,
    "query_params": _parameters,
    "since_seq": lambda _, value: checked_since(value),
    "use_checkpoints": _flag,
    "checkpoint_interval": _count,
    "worker_processes": _count,
    "worker_batch_size": _count,
    "http_connections": _count,
    "connection_timeout": _count,
    "retries_per_request": _count,
    "socket_options": _text,
    "ibrowse_options": _text,
    "proxy": _proxy,
    "source_proxy": _proxy,
    "target_proxy": _proxy,
    "use_bulk_get": _flag,
    "winning_revs_only": _flag,
}

#: Names that documentation of old clients has: what they are called today, or why there is no such thing.
OLD_NAMES: dict[str, str] = {
    "batch_size": "worker_batch_size",
}
NO_MEANING: dict[str, str] = {
    "batch_timeout": "no server has ever known it; checkpoint_interval or connection_timeout come nearest",
    "user_ctx": "it concerns local endpoints, which servers no longer have; credentials come from the connections",
    "cancel": "it means nothing in a document; stop the replication instead",
    "owner": "the server sets it to whoever writes the document",
    "source": "it comes from the source's connection and source_db",
    "target": "it comes from the target's connection and target_db",
    "_id": "it is the argument doc_id",
    "_rev": "it is the server's",
}


def check_value(name: str, value: Any) -> Any:
    """``value`` as the server wants it. Raises ConfigurationError, also for an unknown ``name``."""
    refuse_unknown((name,))
    return FIELDS[name](name, value)


def refuse_unknown(names: Iterable[str]) -> None:
    """Raises ConfigurationError for a name that a server would ignore; the message has the one that was probably meant."""
    for name in names:
        if name in FIELDS:
            continue
        if name in NO_MEANING:
            raise ConfigurationError(f"option {name}: {NO_MEANING[name]}")
        if name in OLD_NAMES:
            raise ConfigurationError(f"option {name} is unknown to servers: they call it {OLD_NAMES[name]}")
        near = get_close_matches(str(name).lower(), FIELDS, n=1, cutoff=0.5)
        meant = f"is {near[0]} meant?" if near else f"there are: {', '.join(FIELDS)}"
        raise ConfigurationError(f"option {name} is unknown to servers, which would ignore it: {meant}")


def from_old_names(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as python-cloudant's Replicator took them, by the names of today.

    Raises ConfigurationError for those that have no meaning any more, and where an old and a new name say different things.
    """
    renamed: dict[str, Any] = {}
    for name, value in options.items():
        today = OLD_NAMES.get(name, name)
        if today in renamed and renamed[today] != value:
            raise ConfigurationError(f"{name} and {today} are the same option: give one of them")
        renamed[today] = value
    refuse_unknown(renamed)
    return renamed
