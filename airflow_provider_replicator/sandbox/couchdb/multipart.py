# SPDX-License-Identifier: Apache-2.0
"""Documents with their attachments beside them: ``multipart/related`` both ways, ``multipart/mixed`` for several revisions."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.errors import bad_request
from airflow_provider_replicator.sandbox.couchdb.reading import View, render, sent_attachments
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision
from airflow_provider_replicator.sandbox.couchdb.routes import Call
from airflow_provider_replicator.sandbox.http import Response

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_ERROR_PART = b'\r\nContent-Type: application/json; error="true"\r\n\r\n'


def related(call: Call, document: Document, revision: Revision, view: View, headers: list[tuple[str, str]]) -> Response:
    kind, body = part(call, document, revision, view)
    return Response(200, body, content_type=kind, headers=headers)


def part(call: Call, document: Document, revision: Revision, view: View) -> tuple[str, bytes]:
    """One document: plain JSON if nothing follows it, ``multipart/related`` if something does."""
    view = replace(view, attachments=True, follow=True, encoding=True)
    text = render(call.database, document, revision, view, call.user)
    sent = sent_attachments(document, revision, view)
    if not sent:
        return "application/json", text
    boundary = uuid.uuid4().hex
    line = b"--" + boundary.encode()
    pieces = [line + b"\r\nContent-Type: application/json\r\n\r\n" + text]
    pieces += [line + _head(name, one) + one.data for name, one in sent.items()]
    return f'multipart/related; boundary="{boundary}"', b"\r\n".join(pieces) + b"\r\n" + line + b"--"


def _head(name: str, attachment: Attachment) -> bytes:
    lines = [
        f'Content-Disposition: attachment; filename="{name}"',
        f"Content-Type: {attachment.content_type}",
        f"Content-Length: {len(attachment.data)}",
    ]
    if attachment.encoding != "identity":
        lines.append(f"Content-Encoding: {attachment.encoding}")
    return ("\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def mixed(call: Call, document: Document | None, found: Sequence[Revision | str], view: View) -> Response:
    """Each revision a part; one that is not there, a part that says so."""
    boundary = uuid.uuid4().hex
    line = b"--" + boundary.encode()
    body = [line]
    for one in found:
        if isinstance(one, str) or document is None:
            body.append(_ERROR_PART + orjson.dumps({"missing": one if isinstance(one, str) else one.rev}))
        else:
            kind, text = part(call, document, one, view)
            body.append(b"\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + text)
        body.append(b"\r\n" + line)
    body.append(b"--")
    return Response(200, b"".join(body), content_type=f'multipart/mixed; boundary="{boundary}"')


def read_related(content_type: str, body: bytes) -> tuple[Any, dict[str, bytes]]:
    """The document, and what follows it: by file name where a part has one, else in the order of the ``follows``."""
    matched = _BOUNDARY.search(content_type)
    if matched is None:
        raise bad_request("missing boundary")
    pieces = body.split(b"--" + matched.group(1).encode())
    parts = [_parsed(piece) for piece in pieces[1:] if not piece.startswith(b"--")]
    if not parts:
        raise bad_request("multipart body without a document")
    try:
        document = jsons.loads(parts[0][1])
    except ValueError:
        raise bad_request("invalid UTF-8 JSON") from None
    members = document.get("_attachments", {}) if isinstance(document, dict) else {}
    waiting = [name for name, member in members.items() if isinstance(member, dict) and member.get("follows") is True]
    follows = {}
    for head, data in parts[1:]:
        named = re.search(r'filename="([^"]*)"', head)
        name = named.group(1) if named and named.group(1) in waiting else next(iter(waiting), None)
        if name is not None:
            waiting.remove(name)
            follows[name] = data
    return document, follows


def _parsed(piece: bytes) -> tuple[str, bytes]:
    head, _, data = piece.partition(b"\r\n\r\n")
    return head.decode("utf-8", "replace"), data.removesuffix(b"\r\n")
