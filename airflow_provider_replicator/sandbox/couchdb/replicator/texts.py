# SPDX-License-Identifier: Apache-2.0
"""Why a job or a document fails, and how ``_scheduler`` words it."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.couchdb.replicator.erlang import Atom, text


class RejectedDocumentError(Exception):
    """A replication document that cannot be a job: refused with 403 when it is written."""

    def __init__(self, reason: Any) -> None:
        super().__init__(text(reason))
        self.term = reason
        self.reason = text(reason)


class FilterFetchError(Exception):
    """The code of the filter could not be read from the source. The document is in state ``error``; it is tried again."""


class CrashError(Exception):
    """A job ended before its time; ``reason`` is the Erlang term that CouchDB would end it with."""

    def __init__(self, reason: Any) -> None:
        super().__init__(crash_text(reason))
        self.reason = reason


class StartError(CrashError):
    """A job crashed before it had read anything."""

    def __init__(self, reason: Any) -> None:
        super().__init__((Atom("error"), reason))


def thrown(reason: Any) -> RejectedDocumentError:
    return RejectedDocumentError((Atom("throw"), reason))


def bad_request(message: str) -> RejectedDocumentError:
    return thrown((Atom("bad_request"), message))


def failed_with(reason: Any) -> RejectedDocumentError:
    """What an Erlang run-time error (``badarg``, ``function_clause``) reads like."""
    return RejectedDocumentError((Atom("error"), Atom(reason) if isinstance(reason, str) else reason))


def crash_text(reason: Any) -> str:
    """``info.error`` of a crashing job, and ``reason`` in its history."""
    if _is_binary(reason):
        return str(reason)
    if isinstance(reason, tuple) and len(reason) == 2 and _is_binary(reason[1]):
        return str(reason[1])
    return reason_text(reason)


def reason_text(reason: Any) -> str:
    if isinstance(reason, tuple) and len(reason) == 2 and reason[0] == "error" and isinstance(reason[0], Atom):
        inner = reason[1]
        if isinstance(inner, tuple) and len(inner) == 2 and isinstance(inner[0], Atom) and _is_binary(inner[1]):
            return f"{inner[0]}: {inner[1]}"
        return text(inner)
    return text(reason)


def _is_binary(term: Any) -> bool:
    return type(term) is str
