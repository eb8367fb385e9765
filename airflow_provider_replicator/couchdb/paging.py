# SPDX-License-Identifier: Apache-2.0
"""A feed of changes, page by page: how much to ask for, and where it ends."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Protocol

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.exceptions import CouchRequestError, CouchUnavailableError

if TYPE_CHECKING:
    from airflow_provider_replicator.core.page_size import PageSize
    from airflow_provider_replicator.couchdb.client import CouchClient
    from airflow_provider_replicator.couchdb.databases import Asked
    from airflow_provider_replicator.couchdb.transport import Answer

#: Answers that a smaller page may cure: request timeout, overload, gateway timeout. CouchDB says 500 when it takes too long.
_TOO_MUCH = frozenset({408, 500, 503, 504})
_TOO_LARGE = 413


class Counted(Protocol):
    """A page, however it was read."""

    @property
    def rows(self) -> Sized: ...
    @property
    def last_seq(self) -> str | int: ...
    @property
    def pending(self) -> int | None: ...


async def page_answer(client: CouchClient, database: str, size: PageSize, asked: Asked, *, max_bytes: int) -> Answer:
    """A page of as many rows as ``size`` says, asked for again with fewer where that is too much for the server, or for
    ``max_bytes``. A single row is taken as it is.
    """
    while True:
        more: Asked = {"limit": size.now, "seq_interval": size.now}
        more["max_bytes"] = max_bytes if size.now > 1 else None
        more["at_once"] = _TOO_MUCH if size.now > size.smallest else ()
        try:
            return await databases.changes_answer(client, database, **(asked | more))
        except CouchUnavailableError as error:
            if error.status not in _TOO_MUCH or not size.too_much():
                raise
        except CouchRequestError as error:
            if error.status != _TOO_LARGE or not size.too_large():
                raise


def is_last(page: Counted, cursor: str | int | None) -> bool:
    """Whether nothing came after ``page``, which was asked for at ``cursor``, when the server answered.

    A page without rows is the last one if it led nowhere: CouchDB counts changes as pending that a filter of ids passes over.
    """
    if page.pending == 0:
        return True
    if len(page.rows) > 0:
        return False
    here, before = number(page.last_seq), number(cursor or 0)
    return here is None or before is None or here <= before


def number(sequence: str | int | None) -> int | None:
    """The number in front of a sequence, which grows with the changes. It is good for estimates, within one database."""
    digits = str(sequence).partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else None
