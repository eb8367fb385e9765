# SPDX-License-Identifier: Apache-2.0
"""Attachments as they are stored, and as members of a document."""

from __future__ import annotations

import binascii
import gzip
import hashlib
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.config import Config
from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, bad_request

DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Attachment:
    """``data`` are the stored bytes: packed ones if ``encoding`` is ``gzip``. ``length`` is that of the plain bytes."""

    content_type: str
    revpos: int
    data: bytes
    length: int
    encoding: str = "identity"

    @property
    def md5(self) -> bytes:
        return hashlib.md5(self.data, usedforsecurity=False).digest()

    @property
    def digest(self) -> str:
        return _digest(self.data)

    def plain(self) -> bytes:
        return gzip.decompress(self.data) if self.encoding == "gzip" else self.data

    def describe(self, how: str, *, encoding: bool = False) -> dict[str, Any]:
        """The member of ``_attachments``; ``how`` is ``stub``, ``follows`` or ``data``. ``encoding``: say how it is packed."""
        member: dict[str, Any] = {"content_type": self.content_type, "revpos": self.revpos, "digest": self.digest}
        if how == "data":
            member["data"] = b64encode(self.plain()).decode()
        else:
            member["length"] = self.length
            member[how] = True
        if encoding and self.encoding != "identity":
            member |= {"encoding": self.encoding, "encoded_length": len(self.data)}
        return member


def _digest(data: bytes) -> str:
    return "md5-" + b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def store(data: bytes, content_type: str, revpos: int, config: Config) -> Attachment:
    """As CouchDB keeps it: types that pack well are packed, and their digest is that of the packed bytes."""
    length = len(data)
    if length > config.integer("couchdb", "max_attachment_size", length):
        raise CouchError(413, "attachment_too_large", "")
    patterns = config.get("attachments", "compressible_types").split(",")
    plain_type = content_type.partition(";")[0].strip()
    level = config.integer("attachments", "compression_level", 8)
    if level == 0 or not any(fnmatchcase(plain_type, pattern.strip()) for pattern in patterns):
        return Attachment(content_type, revpos, data, length)
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return Attachment(content_type, revpos, packer.compress(data) + packer.flush(), length, "gzip")


#: attachments of the revision before, for stubs
Known = dict[str, Attachment]


def read(
    members: dict[str, Any],
    *,
    known: Known | None,
    follows: dict[str, bytes],
    position: int,
    new_edit: bool,
    config: Config,
) -> dict[str, Attachment] | None:
    """``_attachments`` of a written document. ``follows`` are the parts of a multipart body, by name. None: it has none."""
    found = {}
    for name, member in members.items():
        if type(member) is not dict:
            continue
        check_name(name)
        attachment = _one(name, member, known, follows, config)
        stub = member.get("stub") is True
        revpos = attachment.revpos if stub else position if new_edit else int(member.get("revpos") or position)
        found[name] = attachment if revpos == attachment.revpos else replace(attachment, revpos=revpos)
    return found or None


def has_stubs(members: dict[str, Any] | None) -> bool:
    return any(isinstance(one, dict) and one.get("stub") is True for one in (members or {}).values())


def check_stubs(doc_id: str, members: dict[str, Any], known: Known | None) -> None:
    """Raises 412 for a stub of an attachment that the revision before has not."""
    for name, member in members.items():
        if isinstance(member, dict) and member.get("stub") is True:
            kept = (known or {}).get(name)
            if kept is None or member.get("revpos") not in (None, kept.revpos):
                raise CouchError(412, "missing_stub", f"Invalid attachment stub in {doc_id} for {name}")


def check_name(name: str) -> None:
    if name.startswith("_"):
        raise bad_request("Attachment name '" + name + "' starts with prohibited character '_'")


def _one(
    name: str, member: dict[str, Any], known: Known | None, follows: dict[str, bytes], config: Config
) -> Attachment:
    content_type = str(member.get("content_type", DEFAULT_TYPE))
    if member.get("stub") is True:
        return (known or {})[name]
    if member.get("follows") is True:
        if name not in follows:
            raise bad_request(f"No part follows for attachment {name}")
        return _received(follows[name], member, content_type, config)
    try:
        data = b64decode(member["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise bad_request(f"Invalid attachment data for {name}") from None
    return store(data, content_type, 0, config)


def _received(data: bytes, member: dict[str, Any], content_type: str, config: Config) -> Attachment:
    """Packed bytes stay as they came: their digest must not change on the way."""
    if member.get("encoding") == "gzip":
        attachment = Attachment(content_type, 0, data, int(member.get("length", 0)), "gzip")
    else:
        attachment = store(data, content_type, 0, config)
    given = member.get("digest")
    if given is not None and given not in (attachment.digest, _digest(data)):
        raise CouchError(500, "unknown_error", "function_clause")  # what 3.5.0 makes of a digest that does not fit
    return attachment
