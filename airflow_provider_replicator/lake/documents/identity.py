# SPDX-License-Identifier: Apache-2.0
"""Is this still the same database? One that was deleted and made again tells nobody who follows it: the documents that are no more
leave no tombstones, and the server takes the sequence of the old one without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.couchdb.jobs.sequences import foreign
from airflow_provider_replicator.couchdb.paging import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_replicator.couchdb.server import ServerInfo

#: Since this version ``instance_start_time`` is when the database was made; before, it was nothing, or when it was opened.
_TELLS_SINCE = (3, 3)


def made_at(server: ServerInfo, info: Mapping[str, Any]) -> str:
    """When the database was made, as the server tells it; empty if it does not."""
    told = str(info.get("instance_start_time") or "")
    return told if server.version >= _TELLS_SINCE and told.strip("0") else ""


def is_another(info: Mapping[str, Any], *, made: str, before: str, cursor: str) -> bool:
    """Whether this is another database than the one that was made at ``before`` (empty: not known), and that ``cursor`` is of.

    :param info: what the server says of it; ``made``: :func:`made_at` of that
    """
    if made and before and made != before:
        return True
    now, then = number(info["update_seq"]), number(cursor)
    if isinstance(info["update_seq"], int):  # one shard, whose numbers only grow
        return then is not None and now is not None and now < then
    return foreign(cursor, info["update_seq"]) or (now == 0 and bool(then))
