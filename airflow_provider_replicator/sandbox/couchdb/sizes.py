# SPDX-License-Identifier: Apache-2.0
"""How large CouchDB thinks a document is: an estimate, which decides what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError

if TYPE_CHECKING:
    from airflow_provider_replicator.sandbox.couchdb.database import Database
    from airflow_provider_replicator.sandbox.couchdb.drafts import Draft


def check_size(database: Database, draft: Draft, named: str) -> None:
    """Raises 413 for a body over ``[couchdb] max_document_size``; ``named`` is what the error calls it."""
    limit = database.config.integer("couchdb", "max_document_size", 8_000_000)
    # The estimate is never above the real length.
    if len(draft.fields()) + 2 > limit and estimated(draft.body) > limit:
        raise CouchError(413, "document_too_large", named)


def estimated(value: Any) -> int:
    """Bytes. Strings without what escaping adds, numbers with a fraction as if they were short."""
    if isinstance(value, Mapping):
        return 1 + sum(estimated(name) + estimated(one) + 2 for name, one in value.items()) if value else 2
    if isinstance(value, list):
        return 1 + sum(estimated(one) + 1 for one in value) if value else 2
    if isinstance(value, str):
        return 2 + len(value.encode())
    if value is None or isinstance(value, bool):
        return 5 if value is False else 4
    return len(str(value)) if isinstance(value, int) else _fraction(value)


def _fraction(value: float) -> int:
    size = abs(value)
    sign = 1 if value < 0 else 0
    if size >= 1:
        return sign + (5 if size >= 1e100 else 4 if size >= 1e10 else 3)
    if size <= 1e-300 or size > 0.01:
        return sign + 3
    return sign + (6 if size <= 1e-100 else 5 if size <= 1e-10 else 4)
