# SPDX-License-Identifier: Apache-2.0
"""Content of files: where to upload it, in one piece or in parts, and where to download it.

Links carry their own permission, as those of object stores do: a signed ticket with an expiry on the project's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_replicator.sandbox.cdf import payload
from airflow_provider_replicator.sandbox.cdf.collection import Collection
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.resources import FILES
from airflow_provider_replicator.sandbox.cdf.routing import PUBLIC_PREFIX
from airflow_provider_replicator.sandbox.cdf.store import Entry

Handler = Callable[[Project, Request], Response]
Document = dict[str, Any]

MAX_PARTS, MIN_PART_BYTES, MAX_LINKS = 250, 5 * 1024 * 1024, 100
_SECOND, _WEEK = 1_000, 7 * 86_400_000
_DOWNLOAD_MS, _EXTENDED_MS = 30 * _SECOND, 3_600 * _SECOND
_UPLOADS, _DOWNLOADS = PUBLIC_PREFIX + "upload", PUBLIC_PREFIX + "download"

_files = Collection(FILES)


def routes() -> list[tuple[str, str, Handler]]:
    return [
        ("POST", "/files", create),
        ("POST", "/files/initmultipartupload", create_in_parts),
        ("POST", "/files/uploadlink", upload_link),
        ("POST", "/files/multiuploadlink", upload_links),
        ("POST", "/files/completemultipartupload", complete),
        ("POST", "/files/downloadlink", download_links),
        ("PUT", _UPLOADS + "/{ticket}", upload),
        ("GET", _DOWNLOADS + "/{ticket}", download),
    ]


@dataclass(slots=True)
class Parts:
    """A multipart upload that is not complete yet; the parts arrive in any order."""

    file: int
    count: int
    received: dict[int, bytes] = field(default_factory=dict)


class Contents:
    """What was uploaded, by file id, and the multipart uploads under way, by upload id."""

    def __init__(self, project: Project) -> None:
        self.by_file: dict[int, bytes] = {}
        self.uploads: dict[str, Parts] = {}
        #: called with the document of a file whose content has come
        self.on_upload: list[Callable[[Document], None]] = []
        project.files.on_delete.append(self.forget)

    def forget(self, documents: Iterable[Document]) -> None:
        gone = {document["id"] for document in documents}
        for identity in gone:
            self.by_file.pop(identity, None)
        self.uploads = {name: parts for name, parts in self.uploads.items() if parts.file not in gone}


def contents_of(project: Project) -> Contents:
    return project.extension("file_content", Contents)


# -- where to upload ----------------------------------------------------------------------------------------------------


def create(project: Project, request: Request) -> Response:
    """The body is the file itself, not a list of items."""
    entry = _create(project, request)
    return payload.json_answer(_with_link(project, request, entry), status=201)


def create_in_parts(project: Project, request: Request) -> Response:
    count = _part_count(request)
    entry = _create(project, request)
    return payload.json_answer(_with_links(project, request, entry, count), status=201)


def upload_link(project: Project, request: Request) -> Response:
    entry = _single(project, request)
    return payload.json_answer({"items": [_with_link(project, request, entry)]}, status=201)


def upload_links(project: Project, request: Request) -> Response:
    count = _part_count(request)
    entry = _single(project, request)
    return payload.json_answer({"items": [_with_links(project, request, entry, count)]}, status=201)


def _create(project: Project, request: Request) -> Entry:
    given = payload.body(request)
    document = _files.document(given, "file")
    existing = project.files.by_external_id.get(document.get("externalId", ""))
    if existing is None or not _is_true(request, "overwrite"):
        created: list[Entry] = _files.add(project, [document])
        return created[0]
    _files.check(project, [document])
    now = project.next_timestamp()
    changed = {name: value for name, value in document.items() if name in given}
    (entry,) = project.files.replace([(existing, {**existing.doc, **changed, "lastUpdatedTime": now})], time=now)
    return entry


def _single(project: Project, request: Request) -> Entry:
    (entry,) = payload.find_all(project.files, payload.items(payload.body(request), 1))
    return entry


def _with_link(project: Project, request: Request, entry: Entry) -> Document:
    ticket = project.cursors.make(_UPLOADS, [entry.doc["id"], project.clock.now_ms() + _WEEK, None, 0])
    return {**entry.doc, "uploadUrl": _url(project, request, f"{_UPLOADS}/{ticket}")}


def _with_links(project: Project, request: Request, entry: Entry, count: int) -> Document:
    name = f"{project.next_id():x}"
    contents_of(project).uploads[name] = Parts(entry.doc["id"], count)
    expires = project.clock.now_ms() + _WEEK
    tickets = [project.cursors.make(_UPLOADS, [entry.doc["id"], expires, name, part]) for part in range(count)]
    urls = [_url(project, request, f"{_UPLOADS}/{ticket}") for ticket in tickets]
    return {**entry.doc, "uploadId": name, "uploadUrls": urls}


def _part_count(request: Request) -> int:
    value = (request.query.get("parts") or [""])[0]
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_PARTS:
        raise ApiError(400, f"parts must be an integer between 1 and {MAX_PARTS}")
    return int(value)


# -- upload -------------------------------------------------------------------------------------------------------------


def upload(project: Project, request: Request) -> Response:
    """The whole content, or one part of it. May be repeated."""
    identity, _, name, part = _opened(project, request, _UPLOADS)
    if name is None:
        _finish(project, identity, request.body)
        return Response(200, b"", "text/plain")
    parts = contents_of(project).uploads.get(name)
    if parts is None:
        raise ApiError(404, "The multipart upload is complete, or its file was deleted")
    parts.received[part] = request.body
    return Response(200, b"", "text/plain")


def complete(project: Project, request: Request) -> Response:
    """Put the parts together, in the order of their links."""
    given = payload.body(request)
    (entry,) = payload.find_all(project.files, [given])
    uploads = contents_of(project).uploads
    name = given.get("uploadId")
    parts = uploads.get(name) if isinstance(name, str) else None
    if parts is None or parts.file != entry.doc["id"]:
        raise ApiError(400, f"Unknown uploadId for this file: {name!r}")
    pieces = [parts.received.get(part) for part in range(parts.count)]
    if lacking := [part for part, piece in enumerate(pieces) if piece is None]:
        raise ApiError(400, f"Parts not uploaded: {', '.join(map(str, lacking))}")
    found = [piece for piece in pieces if piece is not None]
    if any(len(piece) < MIN_PART_BYTES for piece in found[:-1]):
        raise ApiError(400, f"All parts but the last must have at least {MIN_PART_BYTES} bytes")
    _finish(project, entry.doc["id"], b"".join(found))
    del uploads[str(name)]
    return Response()


def _finish(project: Project, identity: int, content: bytes) -> None:
    entry = project.files.by_id.get(identity)
    if entry is None:
        raise ApiError(404, "The file was deleted")
    contents_of(project).by_file[identity] = content
    now = project.next_timestamp()
    document = {**entry.doc, "uploaded": True, "uploadedTime": now, "lastUpdatedTime": now}
    project.files.replace([(entry, document)], time=now)
    for hook in contents_of(project).on_upload:
        hook(document)


# -- download -----------------------------------------------------------------------------------------------------------


def download_links(project: Project, request: Request) -> Response:
    items = payload.items(payload.body(request), MAX_LINKS)
    entries = payload.find_all(project.files, items)
    if absent := [entry.doc["id"] for entry in entries if not entry.doc["uploaded"]]:
        raise ApiError(400, f"Files not uploaded: {', '.join(map(str, absent))}")
    expires = project.clock.now_ms() + (_EXTENDED_MS if _is_true(request, "extendedExpiration") else _DOWNLOAD_MS)
    links = []
    for n, (item, entry) in enumerate(zip(items, entries, strict=True)):
        ticket = project.cursors.make(_DOWNLOADS, [entry.doc["id"], expires])
        links.append(
            {
                **payload.identifier_of(item, f"items[{n}]"),
                "downloadUrl": _url(project, request, f"{_DOWNLOADS}/{ticket}"),
            }
        )
    return payload.json_answer({"items": links})


def download(project: Project, request: Request) -> Response:
    identity, _ = _opened(project, request, _DOWNLOADS)
    entry = project.files.by_id.get(identity)
    content = contents_of(project).by_file.get(identity)
    if entry is None or content is None:
        raise ApiError(404, "The file was deleted")
    return Response(200, content, entry.doc.get("mimeType", "application/octet-stream"))


def _opened(project: Project, request: Request, scope: str) -> list[Any]:
    """What the ticket says. 403 for a ticket that is not ours or too old, as object stores answer."""
    try:
        ticket: list[Any] = project.cursors.read(scope, request.params["ticket"])
    except ApiError as error:
        raise ApiError(403, "The link's signature is not valid") from error
    if project.clock.now_ms() >= ticket[1]:
        raise ApiError(403, "The link has expired")
    return ticket


def _url(project: Project, request: Request, path: str) -> str:
    return f"{request.base_url}/api/v1/projects/{project.name}{path}"


def _is_true(request: Request, name: str) -> bool:
    return (request.query.get(name) or [""])[0].lower() == "true"
