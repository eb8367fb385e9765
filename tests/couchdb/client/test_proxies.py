# SPDX-License-Identifier: Apache-2.0
"""Proxies: of the connection, or of the environment; a scripted server plays one."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from airflow_provider_replicator.couchdb.requests_session import self_signing_session
from airflow_provider_replicator.exceptions import CouchConnectionError
from tests.couchdb.client.asking import Kind, ask, connection, over_both, said, scripted

#: Nobody resolves it: whoever answers is the proxy.
FAR = "http://couch.invalid:5984"


@over_both
@pytest.mark.parametrize("of", ["connection", "environment"])
def test_a_proxy_is_asked(kind: Kind, of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with scripted(said(ok=1)) as proxy:
            url = proxy.url.replace("http://", "http://user:p%40ss@")
            extra: dict[str, Any] = {"allow_http": True}
            if of == "environment":
                monkeypatch.setenv("http_proxy", url)
            else:
                extra["proxies"] = {"http": url}
            found = await ask(kind, connection(FAR, "u", "p", auth_type="basic", **extra), lambda c: c.get("a/b"))
        assert found == {"ok": 1}
        (seen,) = proxy.seen
        assert (seen.method, seen.target) == ("GET", f"{FAR}/a%2Fb")
        assert seen.headers["proxy-authorization"] == f"Basic {b64encode(b'user:p@ss').decode()}"
        assert seen.headers["authorization"] == f"Basic {b64encode(b'u:p').decode()}"

    asyncio.run(main())


@over_both
def test_this_very_machine_is_asked_directly(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def main() -> Any:
        async with scripted(said(ok=1)) as server:
            return await ask(kind, connection(server.url), lambda client: client.get("db"))

    assert asyncio.run(main()) == {"ok": 1}


@over_both
def test_a_proxy_that_is_not_there(kind: Kind) -> None:
    to = connection(FAR, allow_http=True, proxies="http://user:s3cret-word@127.0.0.1:1", retry_attempts=1)
    with pytest.raises(CouchConnectionError) as caught:
        asyncio.run(ask(kind, to, lambda client: client.get("db")))
    assert caught.value.sent is False
    assert "s3cret-word" not in str(caught.value)


def test_the_sessions_of_users() -> None:
    def main(proxy: str) -> Any:
        with self_signing_session(connection(FAR, allow_http=True, proxies=proxy)) as session:
            return session.get(f"{FAR}/db").json()

    async def run() -> Any:
        async with scripted(said(ok=1)) as proxy:
            return await asyncio.to_thread(main, proxy.url)

    assert asyncio.run(run()) == {"ok": 1}
