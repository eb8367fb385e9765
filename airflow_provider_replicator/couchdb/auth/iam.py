# SPDX-License-Identifier: Apache-2.0
"""An API key of IBM Cloud, exchanged for tokens that live an hour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow_provider_replicator.couchdb.auth.signing import Credential, Renewing, SignInError, is_header
from airflow_provider_replicator.couchdb.refusals import access_error
from airflow_provider_replicator.couchdb.transport import Request
from airflow_provider_replicator.exceptions import CouchConnectionError

if TYPE_CHECKING:
    from airflow_provider_replicator.couchdb.auth.credentials import IamAuth
    from airflow_provider_replicator.couchdb.auth.signing import Clock, Send
    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Answer

_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
#: Seconds that a token lives where the answer does not say it.
_LIFETIME = 3600.0


class IamSigner(Renewing):
    """``POST`` of the key to the address of IAM, the answer's token as bearer."""

    def __init__(self, connection: CouchConnection, auth: IamAuth, send: Send, clock: Clock) -> None:
        super().__init__(connection, send, clock)
        self._auth = auth

    async def obtain(self) -> Credential:
        where = f"POST {self._auth.url}"
        answer = await self._send(
            Request(
                method="POST",
                url=self._auth.url,
                headers={"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode({"grant_type": _GRANT, "apikey": self._auth.api_key}).encode("ascii"),
            )
        )
        if answer.status in (400, 401, 403):  # 400: there is no such key
            raise access_error(answer, where, self._connection, self.secrets())
        if not 200 <= answer.status < 300:
            raise SignInError(answer, where)
        return _token(answer, where)


def _token(answer: Answer, where: str) -> Credential:
    try:
        document: Any = answer.json()
        token = str(document["access_token"])
        lifetime = document.get("expires_in") or float(document.get("expiration", 0)) - time.time()
        lifetime = float(lifetime) if float(lifetime) > 0 else _LIFETIME
    except (ValueError, KeyError, TypeError, AttributeError):
        token = ""
    if not is_header(token):
        raise CouchConnectionError(f"{where}: the answer holds no token")
    return Credential({"Authorization": f"Bearer {token}"}, token, lifetime)
