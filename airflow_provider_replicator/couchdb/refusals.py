# SPDX-License-Identifier: Apache-2.0
"""Error answers as exceptions. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import (
    CouchAccessError,
    CouchConflictError,
    CouchNotFoundError,
    CouchRequestError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Answer

#: Characters of a server's message that are kept: a proxy may answer with a page of HTML.
_CHARS = 600


def refusal(
    answer: Answer, where: str, connection: CouchConnection, secrets: Sequence[str] = ()
) -> CouchAccessError | CouchRequestError:
    """What a refusal is for the caller: about who asks, or about what was asked. ``secrets``: besides those of the connection."""
    if answer.status in (401, 403):
        return access_error(answer, where, connection, secrets)
    error, reason = said(answer, connection, secrets)
    kinds: dict[int, type[CouchRequestError]] = {
        404: CouchNotFoundError,
        409: CouchConflictError,
        412: CouchConflictError,
    }
    return kinds.get(answer.status, CouchRequestError)(answer.status, error, reason, path=where)


def access_error(
    answer: Answer, where: str, connection: CouchConnection, secrets: Sequence[str] = ()
) -> CouchAccessError:
    error, reason = said(answer, connection, secrets)
    return CouchAccessError(answer.status, error, f"{reason} (connection {connection.name!r})", path=where)


def said(answer: Answer, connection: CouchConnection, secrets: Sequence[str] = ()) -> tuple[str, str]:
    """``error`` and ``reason`` of an answer, whichever shape it has: CouchDB's, IAM's, a page of a proxy, nothing.

    On one line each, not too long, and without secrets, which a server or a proxy may repeat.
    """

    def line(value: object) -> str:
        text = connection.redacted(" ".join(str(value).split()), *secrets)
        return text[: _CHARS - 1] + "…" if len(text) > _CHARS else text

    if 300 <= answer.status < 400:
        where = answer.headers.get("location", "nowhere")
        return "redirect", line(f"redirected to {where}; check the host of the connection")
    document = _document(answer)
    error = document.get("error") or document.get("errorCode") or _phrase(answer.status)
    reason = document.get("reason") or document.get("errorMessage") or "no reason given"
    return line(error), line(reason)


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {"reason": answer.body[: 2 * _CHARS].decode("utf-8", "replace")}
    return document if isinstance(document, dict) else {"reason": document}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "_")
    except ValueError:
        return "error"
