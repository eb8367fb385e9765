# SPDX-License-Identifier: Apache-2.0
"""A ``requests.Session`` that signs in by itself: for people who call a server's API their own way."""

from __future__ import annotations

import threading
import time
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_replicator.core.retry import verdict
from airflow_provider_replicator.couchdb.answers import USER_AGENT, lowered
from airflow_provider_replicator.couchdb.auth.signing import SignInError, signer
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.refusals import refusal, said
from airflow_provider_replicator.couchdb.requests_transport import RequestsTransport, adapter
from airflow_provider_replicator.couchdb.tls import context
from airflow_provider_replicator.couchdb.transport import Answer
from airflow_provider_replicator.exceptions import CouchUnavailableError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from requests import PreparedRequest, Response, Session

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from airflow_provider_replicator.couchdb.transport import Request

T = TypeVar("T")
#: Methods that may be sent again after a lost answer.
_READING = ("GET", "HEAD", "OPTIONS")
_PASSING = (429, 500, 502, 503, 504)


def self_signing_session(connection: CouchConnection) -> Session:
    """A new session. Credentials go to this server only; time-outs, trust and proxies are those of the connection.

    Requests that only read are sent again after 429, 5xx and lost connections, as often as the connection says; 401 and 403 never,
    except that an expired cookie or token is renewed once. Signing in raises CouchAccessError where the password is wrong.
    """
    import requests
    from urllib3.util import Retry

    session = requests.Session()
    # .netrc must not add a password; proxies and certificates of the environment are read by ourselves
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.auth = SelfSigning(connection)
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
    retry = connection.retry
    retries = Retry(
        total=retry.attempts - 1,
        backoff_factor=retry.first_wait,
        backoff_max=retry.longest_wait,
        status_forcelist=_PASSING,
        allowed_methods=_READING,
        raise_on_status=False,
    )
    timeout = (connection.connect_timeout, connection.read_timeout)
    proxy = connection.proxy_for(connection.base_url)
    session.proxies = {urlsplit(connection.base_url).scheme: proxy} if proxy else {}
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter(timeout=timeout))
    trust = context(connection.verify) if connection.base_url.startswith("https:") else None
    session.mount(f"{connection.base_url}/", adapter(trust, retries=retries, timeout=timeout))
    return session


class SelfSigning:
    """``auth`` of a session of requests. Safe for many threads at once."""

    def __init__(self, connection: CouchConnection) -> None:
        self._connection = connection
        self._signer = signer(connection, self._send, time.monotonic)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SelfSigning({self._connection.name!r})"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._is_ours(request.url):
            headers = self._run(self._signer.headers())
            request.headers.update(headers)
            request.hooks.setdefault("response", []).append(partial(self._answered, headers))
        return request

    def _answered(self, headers: Mapping[str, str], response: Response, **how: Any) -> Response:
        request = response.request
        if not self._is_ours(request.url):
            return response  # redirected to somebody else, who is sent nothing
        repeatable = isinstance(request.body, bytes | str | None)
        expired = response.status_code == 401 and repeatable
        renewed = self._run(self._signer.renewed(headers)) if expired else None
        if renewed is None:
            self._saw(response, headers)
            return response
        _ = response.content  # to its end, so that the connection can be used again
        response.close()
        again = request.copy()
        again.headers.update(renewed)
        second: Response = response.connection.send(again, **how)
        second.history.append(response)
        self._saw(second, renewed)
        return second

    def _saw(self, response: Response, headers: Mapping[str, str]) -> None:
        answer = Answer(status=response.status_code, headers=lowered(response.raw.headers.iteritems()), body=b"")
        with self._lock:
            self._signer.saw(answer, headers)

    def _is_ours(self, url: str | None) -> bool:
        return (url or "").startswith(self._connection.base_url + "/")

    def _run(self, asking: Coroutine[Any, Any, T]) -> T:
        try:
            with self._lock:
                return run(asking)
        except SignInError as error:
            failed = error
        if verdict(failed.answer.status) != "again":
            raise refusal(failed.answer, failed.where, self._connection, self._signer.secrets())
        word, reason = said(failed.answer, self._connection, self._signer.secrets())
        raise CouchUnavailableError(failed.answer.status, word, reason, path=failed.where)

    async def _send(self, request: Request) -> Answer:
        transport = RequestsTransport(self._connection)
        try:
            return await transport.send(request)
        finally:
            await transport.close()
