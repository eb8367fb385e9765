# SPDX-License-Identifier: Apache-2.0
"""A datapoint subscription of CDF: made if asked for, its members, its changes since a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_replicator.cdf.references import by_ids
from airflow_provider_replicator.exceptions import CdfDuplicatedError, CdfRequestError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from airflow_provider_replicator.cdf.http.client import CdfClient

Document = dict[str, Any]
#: Partition -> cursor.
Cursors = dict[str, str]

_PATH = "/timeseries/subscriptions"
#: Members that one request may name.
_MEMBERS_AT_ONCE = 100
_PAGE = 100
#: The API keeps changes for a week and promises nothing about older ones.
KEPT_SECONDS = 7 * 86_400
#: Where a new stream begins, before its series are read in whole. Reading a change twice is harmless, and the API is not exact.
_BEGIN = "10m-ago"
_EVERY_POINT = {"includeStatus": True, "ignoreBadDataPoints": False, "treatUncertainAsBad": False}


class CursorExpiredError(Exception):
    """The server no longer knows what has changed since the cursor."""


class Subscription:
    """``name`` is its external id. Reading it changes nothing at the server."""

    def __init__(self, source: CdfClient, name: str) -> None:
        self._source = source
        self.name = name
        self.partitions = self.created = 0

    async def find(self, create: Mapping[str, Any] | None) -> None:
        """Look it up, and make it as ``create`` says if it is not there. Raises ConfigurationError if there is none."""
        found = await self._found()
        if found is None and create is not None:
            await self._create(dict(create))
            found = await self._found()
        if found is None:
            raise ConfigurationError(
                f"{self._source.project} has no datapoint subscription {self.name!r}: make it, or give create_subscription, such "
                'as {"filter": {"prefix": {"property": ["externalId"], "value": "pump"}}} or {"timeSeriesIds": ["a", "b"]}'
            )
        self.partitions = int(found["partitionCount"])
        self.created = int(found["createdTime"])

    async def _found(self) -> Document | None:
        body = {"items": [{"externalId": self.name}], "ignoreUnknownIds": True}
        items = (await self._source.post_json(f"{_PATH}/byids", body))["items"]
        return items[0] if items else None

    async def _create(self, what: Document) -> None:
        """More members than one request may name are added afterwards."""
        named = ("timeSeriesIds", "instanceIds")
        later = []
        room = _MEMBERS_AT_ONCE
        for name in named:
            members = list(what.get(name) or ())
            if members:
                what[name], rest = members[:room], members[room:]
                room -= len(what[name])
                later += [(name, rest[at : at + _MEMBERS_AT_ONCE]) for at in range(0, len(rest), _MEMBERS_AT_ONCE)]
                if not what[name]:
                    del what[name]
        try:
            item = {"partitionCount": 1, **what, "externalId": self.name}
            await self._source.post_json(_PATH, {"items": [item]})
        except CdfDuplicatedError:
            return  # another run was faster
        for name, more in later:
            update = {"externalId": self.name, "update": {name: {"add": more}}}
            await self._source.post_json(f"{_PATH}/update", {"items": [update]})

    async def begin(self) -> Cursors:
        """Cursors a few minutes before now."""
        asked = [{"index": index} for index in range(self.partitions)]
        answer = await self._read({"partitions": asked, "initializeCursors": _BEGIN, "limit": 1})
        # An answer that brings changes has moved on behind them; they are in what is read in whole afterwards.
        return _cursors(answer)

    async def changes(self, cursors: Cursors, limit: int) -> tuple[Document, Cursors]:
        """What has changed since, and the new cursors. Raises CursorExpiredError."""
        asked = [
            {"index": index, **({"cursor": cursors[str(index)]} if str(index) in cursors else {})}
            for index in range(self.partitions)
        ]
        try:
            answer = await self._read({"partitions": asked, "limit": limit})
        except CdfRequestError as error:
            if error.status == 400 and "expired" in error.message.lower():
                raise CursorExpiredError(error.message) from error
            raise
        return answer, _cursors(answer)

    async def _read(self, more: Document) -> Document:
        body = {"externalId": self.name, "pollTimeoutSeconds": 0, **_EVERY_POINT, **more}
        answer: Document = await self._source.post_json(f"{_PATH}/data/list", body)
        return answer

    async def members(self) -> AsyncIterator[list[Document]]:
        """The time series that are followed now, whole, page by page."""
        cursor = None
        while True:
            more = f"&cursor={quote(cursor, safe='')}" if cursor else ""
            answer = await self._source.get_json(
                f"{_PATH}/members?externalId={quote(self.name, safe='')}&limit={_PAGE}{more}"
            )
            yield await self.documents(answer["items"])
            cursor = answer.get("nextCursor")
            if not cursor:
                return

    async def documents(self, members: list[Document]) -> list[Document]:
        """The time series of these members; those that are deleted are left out."""
        return await by_ids(self._source, "/timeseries", [{"id": one["id"]} for one in members if "id" in one])


def _cursors(answer: Document) -> Cursors:
    return {str(one["index"]): one["nextCursor"] for one in answer["partitions"]}
