# SPDX-License-Identifier: Apache-2.0
"""A stored revision as JSON, with what was asked for besides its body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from airflow_provider_replicator.sandbox.couchdb import jsons
from airflow_provider_replicator.sandbox.couchdb.attachments import Attachment
from airflow_provider_replicator.sandbox.couchdb.database import Database
from airflow_provider_replicator.sandbox.couchdb.documents import Document
from airflow_provider_replicator.sandbox.couchdb.query import Query
from airflow_provider_replicator.sandbox.couchdb.revisions import Revision, position_of
from airflow_provider_replicator.sandbox.couchdb.users import SERVER, User


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """``atts_since``: attachments that are younger than all of these revisions come with their data, the others as stubs.
    ``follow``: attachments that are not stubs come after the document, in parts of their own."""

    attachments: bool = False
    encoding: bool = False
    atts_since: tuple[str, ...] | None = None
    follow: bool = False
    revs: bool = False
    revs_info: bool = False
    conflicts: bool = False
    deleted_conflicts: bool = False
    local_seq: bool = False

    def of_revision(self) -> View:
        """CouchDB says nothing of the other revisions when one is asked for by its name."""
        return replace(self, revs_info=False, conflicts=False, deleted_conflicts=False, local_seq=False)

    def since(self, revs: Sequence[str]) -> View:
        return replace(self, attachments=True, atts_since=tuple(revs)) if revs else self


PLAIN = View()


def read_view(query: Query) -> View:
    flag = query.loose_flag
    meta = flag("meta")
    return View(
        attachments=flag("attachments"),
        encoding=flag("att_encoding_info"),
        revs=flag("revs"),
        revs_info=meta or flag("revs_info"),
        conflicts=meta or flag("conflicts"),
        deleted_conflicts=meta or flag("deleted_conflicts"),
        local_seq=flag("local_seq"),
    )


def render(
    database: Database, document: Document, revision: Revision, view: View = PLAIN, user: User = SERVER
) -> bytes:
    """The document at this revision, as this user may see it. Raises CouchError if a hook hides it."""
    more = []
    if view.revs:
        more.append(b'"_revisions":' + _revisions(document, revision))
    more += meta(document, revision, view)
    if revision.attachments:
        more.append(b'"_attachments":' + _members(document, revision, view))
    text = document.json(revision, *more)
    if database.after_read:
        value = jsons.loads(text)
        for hook in database.after_read:
            value = hook(database, value, user)
        text = jsons.dumps(value)
    return text


def _revisions(document: Document, revision: Revision) -> bytes:
    path = document.tree.path(revision.rev)
    names = [rev.partition("-")[2] for rev in path]
    return orjson.dumps({"start": position_of(path[0]), "ids": names})


def meta(document: Document, revision: Revision, view: View) -> list[bytes]:
    """Members about other revisions; without any, the document has an ETag."""
    more = []
    if view.revs_info:
        infos = [{"rev": one.rev, "status": _status(one)} for one in document.tree.ancestry(revision.rev)]
        more.append(b'"_revs_info":' + orjson.dumps(infos))
    others = [leaf for leaf in document.tree.leaves if leaf is not revision]
    for asked, name, deleted in (
        (view.conflicts, "_conflicts", False),
        (view.deleted_conflicts, "_deleted_conflicts", True),
    ):
        found = [leaf.rev for leaf in others if leaf.deleted == deleted]
        if asked and found:
            more.append(orjson.dumps({name: found})[1:-1])
    if view.local_seq:
        more.append(b'"_local_seq":%d' % revision.seq)
    return more


def _status(revision: Revision) -> str:
    if revision.fields is None:
        return "missing"
    return "deleted" if revision.deleted else "available"


def _members(document: Document, revision: Revision, view: View) -> bytes:
    sent = sent_attachments(document, revision, view)
    how = "follows" if view.follow else "data"
    return orjson.dumps(
        {
            name: one.describe(how if name in sent else "stub", encoding=view.encoding)
            for name, one in (revision.attachments or {}).items()
        }
    )


def sent_attachments(document: Document, revision: Revision, view: View) -> dict[str, Attachment]:
    """Those that come with their data."""
    if not view.attachments or not revision.attachments:
        return {}
    newest = 0
    if view.atts_since:
        known = [rev for rev in document.tree.path(revision.rev) if rev in view.atts_since]
        newest = position_of(known[0]) if known else 0
    return {name: one for name, one in revision.attachments.items() if one.revpos > newest}
