# SPDX-License-Identifier: Apache-2.0
"""``_changes``: what is asked for, and one page of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb import feeds
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request
from airflow_provider_replicator.sandbox.couchdb.filters import Filter, read_filter
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.reading import View, render
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision
from airflow_provider_replicator.sandbox.couchdb.routes import Call, check_json
from airflow_provider_replicator.sandbox.couchdb.users import User
from airflow_provider_replicator.sandbox.http import Response

Feed = Literal["normal", "longpoll", "continuous", "eventsource"]

#: CouchDB counts down from here, which decides the rows that have a sequence
_NO_LIMIT = 10**15
#: how many documents a filter looks at before what it found is used
_PIECE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``since`` is the number of the last update that the client knows. ``seq_interval``: only each so many-th row has a sequence."""

    since: int
    limit: int
    feed: Feed
    all_docs: bool
    descending: bool
    include_docs: bool
    view: View
    seq_interval: int
    filter: Filter | None
    user: User
    #: milliseconds; None: not asked for
    heartbeat: int | None
    timeout: int | None


@dataclass(slots=True)
class Page:
    """``rows`` are JSON objects. ``last`` is the number up to which the client now knows everything; ``pending`` come after it."""

    rows: list[bytes]
    last: int
    pending: int


def handle(call: Call) -> Response:
    call.allow("GET", "POST")
    asked = read(call)
    if asked.feed == "normal":
        found = page(call.database, asked)
        return Response(200, HEAD + tail(call.database, found))
    return feeds.answer(call.database, asked)


def read(call: Call) -> Asked:
    """Raises 400 for what cannot be meant."""
    body = _body(call) if call.method == "POST" else {}
    query = Query({name.lower(): values for name, values in call.request.query.items()})
    feed = query.text("feed", "normal").replace("live", "continuous")
    if feed not in ("normal", "longpoll", "continuous", "eventsource"):
        raise bad_request("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
    style = query.text("style", "main_only")
    if style not in ("main_only", "all_docs"):
        raise bad_request(f"unknown style {style}")
    flag = query.loose_flag
    return Asked(
        since=_since(call, query, feed),
        limit=_number(query, "limit", _NO_LIMIT),
        feed=feed,  # type: ignore[arg-type]
        all_docs=style == "all_docs",
        descending=flag("descending"),
        include_docs=flag("include_docs"),
        view=View(attachments=flag("attachments"), encoding=flag("att_encoding_info"), conflicts=flag("conflicts")),
        seq_interval=_interval(query),
        filter=read_filter(call, query, body),
        user=call.user,
        heartbeat=_heartbeat(query),
        timeout=_number(query, "timeout", 0) if "timeout" in query else None,
    )


def _body(call: Call) -> dict[str, Any]:
    check_json(call)
    return call.json_object() if call.request.body.strip() else {}


def _since(call: Call, query: Query, feed: str) -> int:
    text = query.text("since", query.text("last-event-id", "0"))
    if feed == "eventsource":
        text = call.request.headers.get("last-event-id", text)
    if text == "now":
        return call.database.log.last
    return call.database.sequences.decode(text)


def _number(query: Query, name: str, default: int) -> int:
    text = query.text(name)
    if name not in query:
        return default
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"The {name} parameter should be a non-negative integer")
    return int(text)


def _heartbeat(query: Query) -> int | None:
    text = query.text("heartbeat")
    if "heartbeat" not in query or text == "true":
        return feeds.DEFAULT_MS if text == "true" else None
    if not text.isascii() or not text.isdigit():
        raise bad_request("Invalid heartbeat value. Expecting a positive integer value (in milliseconds).")
    if int(text) == 0:
        raise bad_request("The heartbeat value should be a positive integer (in milliseconds).")
    return int(text)


def _interval(query: Query) -> int:
    text = query.text("seq_interval", "1")
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise bad_request("invalid_seq_interval")
    return int(text)


# one page


def page(database: Database, asked: Asked) -> Page:
    if asked.filter is not None and asked.filter.lookup is not None:
        return _looked_up(database, asked, asked.filter.lookup(database))
    if asked.descending:
        return _backwards(database, asked)
    if asked.filter is not None:
        return _filtered(database, asked)
    documents = database.log.page(asked.since, asked.limit) if asked.limit else []
    rows = _rows(database, asked, documents)
    if len(rows) < asked.limit:
        return Page(rows, max(database.log.last, asked.since), 0)
    last = documents[-1].seq if documents else asked.since
    return Page(rows, last, database.log.count_after(last))


def _filtered(database: Database, asked: Asked) -> Page:
    """Piece by piece, so that a small page does not look at everything."""
    rows: list[bytes] = []
    last = asked.since
    while len(rows) < asked.limit:
        documents = database.log.page(last, _PIECE)
        if not documents:
            return Page(rows, max(database.log.last, asked.since), 0)
        looked = _select(database, asked, documents, rows)
        last = documents[looked - 1].seq
    return Page(rows, last, database.log.count_after(last))


def _backwards(database: Database, asked: Asked) -> Page:
    """From the newest to the oldest: where the client stands does not matter."""
    documents = database.log.after(0)[::-1]
    rows: list[bytes] = []
    looked = _select(database, asked, documents, rows)
    last = documents[looked - 1].seq if looked else database.log.last
    return Page(rows, last, len(documents) - looked)


def _looked_up(database: Database, asked: Asked, documents: list[Document]) -> Page:
    """CouchDB finds these by their ids, and forgets to count the others as seen: ``pending`` does not come down to 0."""
    since = 0 if asked.descending else asked.since
    found = sorted((one for one in documents if one.seq > since), key=_seq_of, reverse=asked.descending)[: asked.limit]
    rows = _rows(database, asked, found)
    pending = database.log.count_after(since) - len(rows)
    if rows and (asked.descending or len(rows) == asked.limit):
        return Page(rows, found[-1].seq, pending)
    return Page(rows, database.log.last if asked.limit else asked.since, pending)


def _seq_of(document: Document) -> int:
    return document.seq


def _select(database: Database, asked: Asked, documents: Sequence[Document], rows: list[bytes]) -> int:
    """Add rows up to the limit; how many documents were looked at for that."""
    for at, document in enumerate(documents):
        if len(rows) >= asked.limit:
            return at
        leaves = document.tree.leaves if asked.all_docs else document.tree.leaves[:1]
        passed = leaves if asked.filter is None else asked.filter.passes(document, leaves)
        if passed:
            rows.append(_row(database, asked, document, passed, len(rows)))
    return len(documents)


def _rows(database: Database, asked: Asked, documents: Sequence[Document]) -> list[bytes]:
    """All of these documents, which need no test."""
    if asked.include_docs:
        leaves = [one.tree.leaves if asked.all_docs else one.tree.leaves[:1] for one in documents]
        return [_row(database, asked, one, leaves[n], n) for n, one in enumerate(documents)]
    encode, every, all_docs = database.sequences.encode, asked.seq_interval, asked.all_docs
    if every == 1:
        return [b'{"seq":"%s"%s}' % (encode(one.seq), one.row(all_docs=all_docs)) for one in documents]
    rows = [b'{"seq":null%s}' % one.row(all_docs=all_docs) for one in documents]
    for at in range(asked.limit % every, len(rows), every):
        rows[at] = b'{"seq":"%s"%s}' % (encode(documents[at].seq), documents[at].row(all_docs=all_docs))
    return rows


def _row(database: Database, asked: Asked, document: Document, passed: list[Revision], at: int) -> bytes:
    with_seq = (asked.limit - at) % asked.seq_interval == 0
    seq = b'"%s"' % database.sequences.encode(document.seq) if with_seq else b"null"
    if len(passed) == (len(document.tree.leaves) if asked.all_docs else 1):
        rest = document.row(all_docs=asked.all_docs)
    else:
        rest = document.partial_row(passed)
    text = b',"doc":' + _document(database, asked, document) if asked.include_docs else b""
    return b'{"seq":' + seq + rest + text + b"}"


def _document(database: Database, asked: Asked, document: Document) -> bytes:
    try:
        return render(database, document, document.winner, asked.view, asked.user)
    except CouchError:
        return b"null"  # hidden from this user


HEAD = b'{"results":[\n'


def tail(database: Database, found: Page) -> bytes:
    """Rows and end of the answer of the feeds ``normal`` and ``longpoll``."""
    rows = b",\r\n".join(found.rows)
    last = database.sequences.encode(found.last)
    return rows + b'\n],\n"last_seq":"%s","pending":%d}\n\n' % (last, found.pending)
