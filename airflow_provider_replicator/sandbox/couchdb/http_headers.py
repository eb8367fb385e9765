# SPDX-License-Identifier: Apache-2.0
"""What a client accepts and what it holds already."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.couchdb.errors import bad_request
from airflow_provider_replicator.sandbox.couchdb.revisions import parse_rev
from airflow_provider_replicator.sandbox.couchdb.routes import Call
from airflow_provider_replicator.sandbox.http import Response


def accepts(call: Call, content_type: str) -> bool:
    """A client that says nothing accepts everything, multipart too."""
    wanted = {"*/*", content_type, content_type.partition("/")[0] + "/*"}
    for part in call.request.headers.get("accept", "*/*").split(","):
        kind, _, parameters = part.partition(";")
        if kind.strip() in wanted and "q=0" not in parameters.replace(" ", "").split(";"):
            return True
    return False


def unchanged(call: Call, etag: str) -> bool:
    """Whether the client holds just this (``If-None-Match``)."""
    held = [one.strip() for one in call.request.headers.get("if-none-match", "").split(",")]
    return etag in held or "*" in held


def not_modified(etag: str) -> Response:
    return Response(304, b"", headers=[("ETag", etag)])


def given_rev(call: Call, explicit: str | None) -> str | None:
    """The revision of the body, the URL or ``If-Match``. Raises 400 if they contradict each other."""
    asked = call.request.query.get("rev")
    in_url = parse_rev(asked[-1]) if asked else None
    if explicit is not None and in_url is not None and explicit != in_url:
        raise bad_request("Document rev from request body and query string have different values")
    header = call.request.headers.get("if-match")
    in_header = parse_rev(header.strip('"')) if header else None
    named = explicit or in_url
    if named is not None and in_header is not None and named != in_header:
        raise bad_request("Document rev and etag have different values")
    return named or in_header
