# SPDX-License-Identifier: Apache-2.0
"""CDF's error answers as exceptions. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import CdfAccessError, CdfDuplicatedError, CdfRequestError

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.transport import HttpResponse

#: Characters of a server's message that are kept: a proxy may answer with a page of HTML.
_MESSAGE_CHARS = 600
#: In-request repetitions come as 422 and are a fault of the request, not objects that exist already.
_DUPLICATED_STATUSES = frozenset({400, 409})


def error_body(response: HttpResponse) -> dict[str, Any]:
    """The object under ``error``, whichever of its shapes the answer has: an object, a text, or no JSON at all."""
    try:
        document = json.loads(response.body)
    except ValueError:
        return {"message": response.body[: 2 * _MESSAGE_CHARS].decode("utf-8", "replace")}
    error = document.get("error", document) if isinstance(document, dict) else document
    return error if isinstance(error, dict) else {"message": str(error)}


def message_of(response: HttpResponse) -> str:
    """What the server says, on one line and not too long. A redirect says where to: it is never followed."""
    if 300 <= response.status < 400:
        return f"redirected to {response.headers.get('location', 'nowhere')}; check the host of the connection"
    text = " ".join(str(error_body(response).get("message", "")).split())
    return (text[: _MESSAGE_CHARS - 1] + "…" if len(text) > _MESSAGE_CHARS else text) or "no message"


def access_error(response: HttpResponse, path: str) -> CdfAccessError:
    return CdfAccessError(response.status, message_of(response), path=path)


def request_error(response: HttpResponse, path: str, *, unknown_outcome_before: bool) -> CdfRequestError:
    body = error_body(response)
    duplicated = _identifiers(body.get("duplicated"))
    is_duplicate = bool(duplicated) and response.status in _DUPLICATED_STATUSES
    return (CdfDuplicatedError if is_duplicate else CdfRequestError)(
        response.status,
        message_of(response),
        path=path,
        request_id=response.headers.get("x-request-id"),
        missing=_identifiers(body.get("missing")),
        duplicated=duplicated,
        unknown_outcome_before=unknown_outcome_before,
    )


def _identifiers(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
