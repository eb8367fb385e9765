# SPDX-License-Identifier: Apache-2.0
"""Compare a source database with the one it was replicated to."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from airflow_provider_replicator.couchdb.verify.report import Level, VerifyReport
from airflow_provider_replicator.couchdb.verify.selection import Selection
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.couchdb.client import CouchClient


async def verify(
    source: CouchClient,
    source_db: str,
    target: CouchClient,
    target_db: str,
    *,
    level: Level = "revisions",
    selection: Selection | None = None,
    since: str | int | None = None,
    until: str | int | None = None,
    sample: int | None = 100,
    max_missing: int = 0,
    page_size: int = 2000,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> VerifyReport:
    """Whether the target holds what the source holds. Nothing is written on either side; differences are in the report, not raised.

    - ``counts``: as many documents and deleted documents. For targets that hold nothing else, and replications without a selection.
    - ``pending``: nothing has changed at the source since ``since``, the sequence that the replication has come to
      (``checkpointed_source_seq``). Says nothing of documents that the target refused.
    - ``revisions``: the target knows every leaf revision of the source, conflicts and tombstones as well.
    - ``bodies``: that, and the content of ``sample`` documents (None: of all) is the same; attachments by their digests.

    ``since`` and ``until`` are sequences of the source: only changes between them are looked at (``until``: None is now), so a source
    that is written to all the time can be verified. ``max_missing``: so many missing documents are no failure.
    ``on_progress(documents so far, of how many, if known)``.
    """
    if level not in get_args(Level):
        raise ConfigurationError(f"level is {level!r}: write one of {', '.join(get_args(Level))}")
    raise NotImplementedError
