# SPDX-License-Identifier: Apache-2.0
"""What both transports do with an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator import __version__
from airflow_provider_replicator.exceptions import CouchConnectionError, CouchRequestError, CouchTooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_replicator.couchdb.transport import Answer, Request

#: What every request says of its sender.
USER_AGENT = f"airflow-provider-replicator/{__version__}"
#: Bytes of a body that are read at once where its size is bounded.
PIECE = 1 << 16


def lowered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; what comes several times is joined by commas, and cookies, which hold commas, by line ends."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in found:
            found[key] += ("\n" if key == "set-cookie" else ", ") + value
        else:
            found[key] = value
    return found


def where(request: Request) -> str:
    """A request in messages and logs: without the query, which is long and says nothing."""
    return f"{request.method} {request.url.partition('?')[0]}"


def too_large(request: Request) -> CouchTooLargeError:
    reason = f"the answer is larger than {request.max_bytes} bytes"
    return CouchTooLargeError(413, "answer_too_large", reason, path=where(request))


def parsed(answer: Answer, segments: Sequence[str]) -> Any:
    """The JSON of an answer to a request with these segments."""
    where = "/" + "/".join(segments)
    try:
        return answer.json()
    except ValueError:
        pass
    if "html" in answer.headers.get("content-type", ""):
        raise CouchRequestError(answer.status, "not_json", "this is a web page: check the host", path=where)
    raise CouchConnectionError(f"{where}: the answer is not JSON")
