# SPDX-License-Identifier: Apache-2.0
"""Writing into a copy's metadata where it comes from, if there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.identity import INTERNAL_ID, PROVENANCE, SOURCE, TIME, UNLINKED, YES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.cdf.resources import Resource

Document = dict[str, Any]
#: CDF's bound on pairs, less the four that a copy adds.
_PAIRS = 256 - 4
#: What the four may take: their names, "true", a time in milliseconds and an id of up to 2**53; the project's name comes on top.
_BYTES = len(SOURCE + TIME + INTERNAL_ID + UNLINKED + YES) + 13 + 16


class Stamp:
    """Stamps copies of one resource type as coming from the project ``source``."""

    def __init__(self, resource: Resource, source: str) -> None:
        self._source = source
        self._room = (
            None if resource.metadata_bytes is None else resource.metadata_bytes - _BYTES - len(source.encode())
        )

    def put(self, desired: Document, document: Document) -> bool:
        """Stamp ``desired``, the copy of ``document``; twice is harmless. False if its metadata has no room.

        Until then the two share their metadata, so it is copied here.
        """
        held = desired.get("metadata") or {}
        if self._room is None or SOURCE in held:
            return True
        if len(held) > _PAIRS or _size(held) > self._room:
            return False
        desired["metadata"] = {**held, SOURCE: self._source, INTERNAL_ID: str(document["id"])}
        return True


def unstamped(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata of a source object that is itself a copy, without what says so."""
    return {name: value for name, value in metadata.items() if name not in PROVENANCE}


def mark_unlinked(desired: Document) -> None:
    """Only what carries provenance can be found again by the mark."""
    metadata = desired.get("metadata") or {}
    if SOURCE in metadata:
        metadata[UNLINKED] = YES


def stamp_time(desired: Document, now: str) -> None:
    """Say when the copy was written; only what carries provenance says so."""
    metadata = desired.get("metadata") or {}
    if SOURCE in metadata:
        metadata[TIME] = now


def _size(metadata: Mapping[str, str]) -> int:
    """Bytes of all keys and values in UTF-8."""
    return len("".join(metadata).encode()) + len("".join(metadata.values()).encode())
