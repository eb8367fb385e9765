# SPDX-License-Identifier: Apache-2.0
"""Which tables a snapshot has, and what their files are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.feeds.known import belongs_to_another
from airflow_provider_replicator.lake.find import is_wild, matching_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.lake.objects import Objects

#: Paths and wildcards; or {path or wildcard: name of the file, or None for the usual one}.
Tables: TypeAlias = "Sequence[str] | Mapping[str, str | None]"

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def checked_name(what: str, name: str) -> str:
    """``name``, if every reader and file system takes it. Raises :class:`ConfigurationError`."""
    if not _SAFE.fullmatch(name):
        raise ConfigurationError(
            f"{what} {name!r}: write letters, digits and . _ - only, up to 200, a letter or digit first"
        )
    return name


def usual_name(path: str) -> str:
    """What the file of a table is called unless it is said: its path without the first part, dots for slashes.

    ``instances/plant/Pump/v1/nodes``: ``plant.Pump.v1.nodes``; ``resources/events``: ``events``. The space and version of a view
    are in it, so that neither a view of the same name nor the next version of it is mistaken for this one.
    """
    parts = path.split("/")
    return _UNSAFE.sub("_", ".".join(parts[1:] or parts)).lstrip("._-") or "table"


def resolve(objects: Objects, tables: Tables, *, missing_ok: bool = False) -> dict[str, str]:
    """{path of a table: name of its file}, in the order given. Raises :class:`ConfigurationError`.

    A path that is written out is not looked for here. A wildcard (``*``, ``?``, ``[abc]``) stays within its part of the path; it
    finds tables, but no tables of changes, which are published with the table that they belong to.
    """
    if isinstance(tables, str) or not tables:
        raise ConfigurationError(
            "tables is empty: write a list of paths, such as ['instances/plant/*/*/nodes', 'resources/events']"
        )
    wanted = dict(tables) if isinstance(tables, Mapping) else dict.fromkeys(tables)
    found: dict[str, str] = {}
    for pattern, name in wanted.items():
        for path in _paths(objects, pattern, name, missing_ok):
            if name is not None or path not in found:
                found[path] = usual_name(path) if name is None else checked_name("the name of a table,", name)
    _no_clash(found)
    return found


def _paths(objects: Objects, pattern: str, name: str | None, missing_ok: bool) -> list[str]:
    parts = pattern.strip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        raise ConfigurationError(f"tables: {pattern!r} is no path below the lake's root, such as resources/events")
    if parts[0] == "publish":
        raise ConfigurationError(f"tables: {pattern!r} is a snapshot, not a table")
    if not is_wild(pattern):
        return ["/".join(parts)]
    if name is not None:
        raise ConfigurationError(f"tables: {pattern!r} may be several tables, which cannot all be called {name!r}")
    paths = [path for path in matching_tables(objects, pattern) if not belongs_to_another(path)]
    if not paths and not missing_ok:
        raise ConfigurationError(f"tables: there is no table {pattern!r} (missing_ok=True goes on without)")
    return paths


def _no_clash(found: Mapping[str, str]) -> None:
    paths: dict[str, str] = {}
    for path, name in found.items():
        other = paths.setdefault(name.lower(), path)
        if other != path:
            raise ConfigurationError(
                f"tables: {other} and {path} would both be published as {name!r} (names that differ by case alone are one on some "
                f"systems): name one of them yourself, tables={{{path!r}: 'another-name', …}}"
            )
