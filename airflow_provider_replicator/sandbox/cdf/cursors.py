# SPDX-License-Identifier: Apache-2.0
"""Opaque cursors: signed, and bound to the endpoint, the parameters and the partition that they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.http import ApiError

_SIGNATURE_BYTES = 9


class CursorSigner:
    """One key per project: a cursor of another project, endpoint or query is refused with 400."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.blake2b(key.encode(), digest_size=32).digest()

    def make(self, scope: Any, position: Any) -> str:
        """``scope`` is whatever must stay equal between pages, ``position`` where to go on; both JSON values."""
        payload = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._sign(scope, payload) + payload).decode()

    def read(self, scope: Any, cursor: Any) -> Any:
        """The position. Raises :class:`ApiError` 400 if the cursor is not one that :meth:`make` made for this scope."""
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ApiError(400, "Invalid cursor") from error
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not payload or signature != self._sign(scope, payload):
            raise ApiError(400, "Invalid cursor: it was not made for this endpoint, filter, sort order and partition")
        return orjson.loads(payload)

    def _sign(self, scope: Any, payload: bytes) -> bytes:
        digest = hashlib.blake2b(payload, key=self._key, digest_size=_SIGNATURE_BYTES)
        digest.update(b"\0")
        digest.update(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))
        return digest.digest()
