# SPDX-License-Identifier: Apache-2.0
"""Which tables a pattern means. Tables are told by their logs; their own files are never listed, however many there are."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.lake.objects import Objects

_WILD = re.compile(r"[*?\[]")
_LOG = "_delta_log"


def is_wild(pattern: str) -> bool:
    return bool(_WILD.search(pattern))


def matching_tables(objects: Objects, pattern: str) -> Iterator[str]:
    """The tables below the lake's root whose path matches, in order.

    ``*``, ``?`` and ``[abc]`` stay within a part of the path; a last part ``**`` is any depth. One listing per folder on the way.
    """
    yield from _matching(objects, "", pattern.strip("/").split("/"))


def _matching(objects: Objects, above: str, parts: list[str]) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if part == "**" and not rest:
        yield from _all(objects, above)
        return
    for name in _names(objects, above, part):
        path = above + name
        if rest:
            yield from _matching(objects, f"{path}/", rest)
        elif _LOG in objects.folders(f"{path}/"):
            yield path


def _names(objects: Objects, above: str, part: str) -> list[str]:
    if not is_wild(part):
        return [part]
    return sorted(name for name in objects.folders(above) if fnmatchcase(name, part) and name != _LOG)


def _all(objects: Objects, above: str) -> Iterator[str]:
    folders = sorted(objects.folders(above))
    if _LOG in folders:
        yield above.rstrip("/")
        return
    for name in folders:
        yield from _all(objects, f"{above}{name}/")
