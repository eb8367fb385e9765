# SPDX-License-Identifier: Apache-2.0
"""Names in addresses: document ids and database names may hold every character. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Ids of these kinds keep their first slash: CouchDB answers a redirect, or another document, where it is encoded.
_KINDS = ("_design/", "_local/")
#: Parameters that the server reads as JSON; all others are plain text.
_JSON = frozenset({"key", "keys", "startkey", "endkey", "start_key", "end_key", "doc_ids", "open_revs", "atts_since"})


def segment(name: str) -> str:
    """One whole segment of a path: ``a/b+c`` becomes ``a%2Fb%2Bc``; the slash of ``_design/`` and ``_local/`` stays."""
    for kind in _KINDS:
        if name.startswith(kind) and len(name) > len(kind):
            return kind + segment(name.removeprefix(kind))
    if name in (".", ".."):
        return name.replace(".", "%2E")  # as they are, they would be steps in the path
    return quote(name, safe="")


def path(*names: str) -> str:
    """``/`` and the segments of a path. Raises ValueError for an empty name, which would ask for something else."""
    if not all(names):
        raise ValueError(f"an empty name in the path {names!r}")
    return "/" + "/".join(map(segment, names))


def query(params: Mapping[str, Any] | None) -> str:
    """``?`` and the parameters, or nothing: None is left out, true and false are small, lists and keys are JSON."""
    pairs = {name: _value(name, value) for name, value in (params or {}).items() if value is not None}
    return "?" + urlencode(pairs, quote_via=quote, safe="") if pairs else ""


def _value(name: str, value: Any) -> str:
    import orjson

    if isinstance(value, bool):
        return "true" if value else "false"
    if name in _JSON or isinstance(value, list | tuple | dict):
        return orjson.dumps(value).decode()
    return str(value)
