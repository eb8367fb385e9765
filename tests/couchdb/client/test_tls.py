# SPDX-License-Identifier: Apache-2.0
"""Whose certificates are trusted: the same over both transports, and for users' own sessions."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import SSLError

from airflow_provider_replicator.couchdb.requests_session import self_signing_session
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.couchdb.client.asking import Kind, ask, connection, over_both, said
from tests.unit.certificates import self_signed
from tests.unit.scripted_server import ScriptedServer

unchecked = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def server(certificate: Path) -> ScriptedServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return ScriptedServer([said(ok=1)], tls=context)


def get(kind: Kind, certificate: Path, **extra: Any) -> tuple[Any, int]:
    """What is answered, or the error, and how many requests were sent."""

    async def main() -> tuple[Any, int]:
        async with server(certificate) as running:
            to = connection(running.url, **extra)
            requests = 0

            async def question(client: Any) -> Any:
                nonlocal requests
                try:
                    return await client.get("db")
                except ConfigurationError as error:
                    return error
                finally:
                    requests = client.requests

            return await ask(kind, to, question), requests

    return asyncio.run(main())


@over_both
def test_a_file_of_certificates_to_trust(kind: Kind, certificate: Path) -> None:
    assert get(kind, certificate, ca_bundle=str(certificate)) == ({"ok": 1}, 1)


@over_both
def test_the_file_that_the_environment_names(kind: Kind, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert get(kind, certificate) == ({"ok": 1}, 1)


@over_both
def test_a_certificate_that_nobody_trusts_is_not_tried_again(kind: Kind, certificate: Path) -> None:
    error, requests = get(kind, certificate)
    assert isinstance(error, ConfigurationError)
    assert "is not trusted: self-signed certificate (ca_bundle names a file" in str(error)
    assert requests == 1


@over_both
@unchecked
def test_a_certificate_that_is_not_checked(kind: Kind, certificate: Path) -> None:
    assert get(kind, certificate, verify=False) == ({"ok": 1}, 1)


@over_both
def test_somebody_elses_certificate_is_always_checked(kind: Kind, certificate: Path) -> None:
    async def main() -> None:
        async with server(certificate) as couch, server(certificate) as iam:
            to = connection(couch.url, iam_apikey="the-key", iam_url=f"{iam.url}/token", verify=False)
            with pytest.raises(ConfigurationError, match=f"the certificate of {iam.url[8:]} is not trusted"):
                await ask(kind, to, lambda client: client.get("db"))
            assert not iam.seen

    asyncio.run(main())


@over_both
def test_a_file_that_is_none(kind: Kind, certificate: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for path in (tmp_path / "absent.pem", empty):
        error, _ = get(kind, certificate, ca_bundle=str(path))
        assert isinstance(error, ConfigurationError)
        assert f"certificates cannot be read from {path}" in str(error)


@unchecked
def test_the_sessions_of_users(certificate: Path) -> None:
    def main(url: str, **extra: Any) -> Any:
        with self_signing_session(connection(url, **extra)) as session:
            return session.get(f"{url}/db").json()

    async def of(**extra: Any) -> Any:
        async with server(certificate) as running:
            return await asyncio.to_thread(main, running.url, **extra)

    for extra in ({"ca_bundle": str(certificate)}, {"verify": False}):
        assert asyncio.run(of(**extra)) == {"ok": 1}
    with pytest.raises(SSLError):
        asyncio.run(of(retry_attempts=1))
