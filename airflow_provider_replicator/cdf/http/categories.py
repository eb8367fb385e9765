# SPDX-License-Identifier: Apache-2.0
"""What kind of request a method and a path are: which published limits hold for it, and whether repeating it is harmless.

A category is named ``api`` (``assets``) or ``api.kind`` (``assets.analytical``); a request obeys both. Where CDF publishes
nothing for an API, the figures of events are used.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_provider_replicator.core.limits import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The first segment of a path -> the API that CDF counts it under. Paths that are not here are counted under "other".
_APIS = {
    name: name
    for name in ("assets", "events", "files", "timeseries", "sequences", "relationships", "labels", "datasets", "raw")
}
_KINDS = {"list": "analytical", "search": "analytical", "aggregate": "aggregate"}
_INSTANCE_KINDS = {"list": "query", "byids": "query", "query": "query", "sync": "query", "aggregate": "query"}
#: POSTs that change something and may not be repeated blindly end in "create" (the bare path of one of these) or "/delete".
_CREATABLE = frozenset(_APIS) - {"raw"}


def _classic(api: str, *, all_of_it: Limit, crud: Limit) -> dict[str, Limit]:
    return {
        api: all_of_it,
        f"{api}.crud": crud,
        f"{api}.analytical": Limit(per_second=23, in_flight=12),
        f"{api}.aggregate": Limit(per_second=12, in_flight=5),
    }


def _like_events(api: str) -> dict[str, Limit]:
    return _classic(api, all_of_it=Limit(per_second=150, in_flight=40), crud=Limit(per_second=130, in_flight=30))


#: What CDF publishes per identity (a client acts as one), by category.
PUBLISHED_LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        **_classic("assets", all_of_it=Limit(per_second=150, in_flight=30), crud=Limit(per_second=130, in_flight=23)),
        **_like_events("events"),
        **_classic("files", all_of_it=Limit(per_second=120, in_flight=40), crud=Limit(per_second=120, in_flight=30)),
        **_like_events("timeseries"),
        **_like_events("sequences"),
        **_like_events("relationships"),
        **_like_events("labels"),
        **_like_events("datasets"),
        # No rate is published for datapoints; 16 requests of 100 000 points are more than a worker can carry anyway.
        "datapoints": Limit(in_flight=16),
        "raw": Limit(in_flight=48),
        "raw.read": Limit(quota_bytes=6.6e9),
        "raw.insert": Limit(quota_bytes=1.3e9),
        "instances.apply": Limit(in_flight=4),
        "instances.delete": Limit(in_flight=2),
        "instances.query": Limit(in_flight=8),
        "other": Limit(in_flight=10),
    }
)


def category(method: str, path: str) -> tuple[str, str | None]:
    """The API of a request and its kind within it (None if the API makes no difference). ``path`` may have a query string."""
    segments = path.partition("?")[0].split("/")[1:]
    first, last = segments[0], segments[-1]
    if first == "models":
        return _instances(segments)
    api = _APIS.get(first)
    if api is None:
        return "other", None
    if api == "raw":
        return "raw", "insert" if method == "POST" and last == "rows" else "read"
    if api in ("timeseries", "sequences") and len(segments) > 1 and segments[1] == "data":
        return "datapoints", None
    if method == "GET" and len(segments) == 1:
        return api, "analytical"  # listing by GET
    return api, _KINDS.get(last, "crud")


def _instances(segments: list[str]) -> tuple[str, str | None]:
    if len(segments) < 2 or segments[1] != "instances":
        return "other", None
    if len(segments) == 2:
        return "instances", "apply"
    return "instances", "delete" if segments[2] == "delete" else _INSTANCE_KINDS.get(segments[2], "query")


def is_idempotent(method: str, path: str) -> bool:
    """Whether sending the request twice leaves what sending it once would, and answers the same.

    False for creates and deletes: the second time, what was created is a duplicate and what was deleted is missing.
    """
    if method != "POST":
        return True
    segments = path.partition("?")[0].split("/")[1:]
    first, last = segments[0], segments[-1]
    if first == "models" or "data" in segments[1:2]:
        return True
    if first == "raw":
        return len(segments) > 5  # rows; databases and tables are created and deleted
    return not (last == "delete" or (len(segments) == 1 and first in _CREATABLE))
