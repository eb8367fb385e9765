# SPDX-License-Identifier: Apache-2.0
"""``/timeseries/subscriptions/data/list``: the changes since a cursor, or since a moment, of some partitions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_replicator.sandbox.cdf.datapoints_answer import json_points
from airflow_provider_replicator.sandbox.cdf.datapoints_query import flag
from airflow_provider_replicator.sandbox.cdf.fields import integer, text
from airflow_provider_replicator.sandbox.cdf.http import ApiError, Request, Response, Wait
from airflow_provider_replicator.sandbox.cdf.payload import body, checked, json_answer
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.subscriptions_log import (
    RETENTION_MS,
    Change,
    Deletion,
    Document,
    Group,
    Membership,
    PartitionLog,
    Upsert,
    page,
)
from airflow_provider_replicator.sandbox.cdf.subscriptions_registry import Subscription, described, subscriptions_of

#: The service's own words for data modelling; what it says about cursors of subscriptions is not documented.
EXPIRED = "Cursor has expired. Try again with a new cursor."

_BEGIN = re.compile(r"(\d{1,9})([wdhms])-ago", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True, slots=True)
class Reader:
    """One request: the partitions with the positions to read from, and what it wants to see."""

    project: Project
    subscription: Subscription
    positions: dict[int, int]
    limit: int
    include_status: bool
    ignore_bad: bool
    uncertain_as_bad: bool

    def read(self) -> tuple[Response, bool]:
        """The answer, and whether it holds any news."""
        now = self.project.clock.now_ms()
        logs: list[tuple[PartitionLog, int]] = []
        for index, position in self.positions.items():
            log = self.subscription.partitions[index]
            log.expire(now)
            logs.append((log, position))
        groups, positions, more = page(logs, self.limit)
        changes = [change for group in groups for change in group.changes]
        document = {
            "updates": [update for group in groups for update in self._updates(group)],
            "subscriptionChanges": {"added": _members(changes, added=True), "removed": _members(changes, added=False)},
            "partitions": [
                {
                    "index": index,
                    "nextCursor": self.project.cursors.make(_scope(self.subscription, index), [position, now]),
                }
                for index, position in zip(self.positions, positions, strict=True)
            ],
            "hasNext": more,
        }
        return json_answer(document), bool(groups)

    def _updates(self, group: Group) -> Iterator[Document]:
        for change in group.changes:
            if isinstance(change, Upsert):
                points = change.points.usable(ignore_bad=self.ignore_bad, uncertain_as_bad=self.uncertain_as_bad)
                if len(points):
                    upserts = json_points(points, include_status=self.include_status)
                    yield {"timeSeries": described(change.series), "upserts": upserts, "deletes": []}
            elif isinstance(change, Deletion):
                deleted = {"inclusiveBegin": change.begin, "exclusiveEnd": change.end}
                yield {"timeSeries": described(change.series), "upserts": [], "deletes": [deleted]}


def _members(changes: list[Change], *, added: bool) -> list[Document]:
    return [described(one.series) for one in changes if isinstance(one, Membership) and one.added is added]


def list_data(project: Project, request: Request) -> Response:
    """Waits for news, up to ``pollTimeoutSeconds``, where the shell around the server can wait."""
    payload = body(request)
    seconds = payload.get("pollTimeoutSeconds", 5)
    seconds = checked("pollTimeoutSeconds", integer(0, 5), seconds)
    reader = _reader(project, payload)
    answer, news = reader.read()
    if not news and seconds:
        answer.wait = Wait(seconds, lambda: _news(reader))
    return answer


def _news(reader: Reader) -> Response | None:
    answer, news = reader.read()
    return answer if news else None


def _reader(project: Project, payload: Mapping[str, Any]) -> Reader:
    name = checked("externalId", text(255), payload.get("externalId"))
    subscription = subscriptions_of(project).by_external_id.get(name)
    if subscription is None:
        raise ApiError(400, f"Subscriptions not found: {name}", missing=[{"externalId": name}])
    options = dict(payload)
    return Reader(
        project=project,
        subscription=subscription,
        positions=_positions(project, subscription, payload),
        limit=checked("limit", integer(1, 100_000), payload.get("limit", 100)),
        include_status=flag(options, "includeStatus", default=False),
        ignore_bad=flag(options, "ignoreBadDataPoints", default=True),
        uncertain_as_bad=flag(options, "treatUncertainAsBad", default=True),
    )


def _positions(project: Project, subscription: Subscription, payload: Mapping[str, Any]) -> dict[int, int]:
    """Where to read on, by partition."""
    wanted = payload.get("partitions")
    if type(wanted) is not list or not wanted or {type(one) for one in wanted} != {dict}:
        raise ApiError(400, "partitions: expected a list of at least one object with index and cursor")
    begin = _begin(project, payload.get("initializeCursors"))
    count = len(subscription.partitions)
    positions: dict[int, int] = {}
    for n, one in enumerate(wanted):
        index = checked(f"partitions[{n}].index", integer(0, count - 1), one.get("index"))
        if index in positions:
            raise ApiError(400, f"partitions[{n}].index: partition {index} is given more than once")
        cursor = one.get("cursor")
        if cursor is None:
            positions[index] = subscription.partitions[index].position_at(begin)
        else:
            positions[index] = _position(project, subscription, index, checked("cursor", text(10_000), cursor))
    return positions


def _position(project: Project, subscription: Subscription, index: int, cursor: str) -> int:
    position, made = project.cursors.read(_scope(subscription, index), cursor)
    if made < project.clock.now_ms() - RETENTION_MS:
        raise ApiError(400, EXPIRED)
    return int(position)


def _begin(project: Project, value: Any) -> int:
    """Groups written from this moment on are to be read; without a word about it, all that there are."""
    now = project.clock.now_ms()
    if value is None:
        return 0
    if value == "now":
        return now + 1
    match = _BEGIN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ApiError(400, f"initializeCursors: expected 'now' or e.g. '2d-ago', got {value!r}")
    return now - int(match[1]) * _UNIT_MS[match[2]]


def _scope(subscription: Subscription, index: int) -> list[Any]:
    return ["subscriptions/data", subscription.number, index]
