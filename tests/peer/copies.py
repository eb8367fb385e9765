# SPDX-License-Identifier: Apache-2.0
"""What is copied by the peer, and what the copies say apart from what the server and the provenance add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.acceptance.projects import Pair

Doc = dict[str, Any]
_BY_THE_SERVER = {"id", "rootId", "parentId", "createdTime", "lastUpdatedTime"}


def named(count: int, prefix: str, **fields: Any) -> list[Doc]:
    """``count`` objects to create, each with an external id and otherwise alike."""
    return [{"externalId": f"{prefix}{n}", **fields} for n in range(count)]


def said(doc: Doc) -> Doc:
    return {name: value for name, value in doc.items() if name not in _BY_THE_SERVER}


def said_by_copy(copy: Doc, origin: Doc, source: str) -> Doc:
    """Without its provenance, which has to be that of ``origin`` (in the project ``source``), as text and in whole seconds."""
    metadata = dict(copy["metadata"])
    assert metadata.pop("_replicatedSource") == source
    assert metadata.pop("_replicatedInternalId") == str(origin["id"])
    assert int(metadata.pop("_replicatedTime")) % 1000 == 0
    return {**said(copy), "metadata": metadata}


def copies_say(pair: Pair, path: str) -> dict[str, Doc]:
    """External id -> what the copy says, for all objects of the target, each of which has to be a copy."""
    origins = pair.source.by_key(path)
    return {key: said_by_copy(copy, origins[key], pair.source.name) for key, copy in pair.target.by_key(path).items()}
