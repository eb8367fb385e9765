# SPDX-License-Identifier: Apache-2.0
"""Who a copy is: its key, and the provenance it carries in its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Metadata keys of a copy, all with text values. The first three are what replicas made by older tools carry as well.
SOURCE = "_replicatedSource"
TIME = "_replicatedTime"
INTERNAL_ID = "_replicatedInternalId"
#: There (as :data:`YES`) while a reference of the source object could not be mapped, so that one filtered list finds the copy.
UNLINKED = "_replicatedUnlinked"
YES = "true"

#: What a copy never inherits: a source object may itself be a copy of a third project's.
PROVENANCE = frozenset(
    {SOURCE, TIME, INTERNAL_ID, UNLINKED, "_replicatedOriginalParentId", "_replicatedOriginalParentExternalId"}
)


def made_key(project: str, number: int | str) -> str:
    """The external id in the target of a source object that has none: the same in every run, so it is never made twice."""
    return f"replicated:{project}:{number}"


def key_of(document: Mapping[str, Any], project: str) -> str:
    """The external id that the copy of ``document`` (of the source project) has in the target."""
    return document.get("externalId") or made_key(project, document["id"])


def number_of(key: str, project: str) -> int | None:
    """The source id in a key made by :func:`made_key`; None if the key is the source object's own external id."""
    head, _, number = key.rpartition(":")
    return int(number) if head == f"replicated:{project}" and number.isdecimal() else None


def origin_of(document: Mapping[str, Any]) -> str | None:
    """The project that a target document was replicated from; None if nobody replicated it."""
    origin: str | None = (document.get("metadata") or {}).get(SOURCE)
    return origin
