# SPDX-License-Identifier: Apache-2.0
"""Tokens are fetched once for all who ask, never from a provider that has refused, and never on the event loop's thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cognite.client.credentials import CredentialProvider
from cognite.client.exceptions import CogniteOAuthError

from airflow_provider_replicator.cdf.http.credentials import ProviderToken, StaticToken
from airflow_provider_replicator.cdf.http.transport import TransportError
from airflow_provider_replicator.exceptions import CdfAccessError


class Provider(CredentialProvider):
    """Numbers the tokens of all providers of one test; keeps its own, as the SDK's do."""

    def __init__(self, log: list[str], errors: list[Exception] | None = None) -> None:
        self._log = log
        self._errors = errors or []
        self._token: str | None = None

    def authorization_header(self) -> tuple[str, str]:
        assert threading.current_thread() is not threading.main_thread()
        if self._token is None:
            self._log.append("asked")
            if self._errors:
                raise self._errors.pop()
            self._token = f"Bearer {len(self._log)}"
        return "Authorization", self._token


class Loop:
    """One event loop for all calls of a test, as a client has."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def fetch(self, source: ProviderToken, times: int, rejected: str | None = None) -> list[Any]:
        async def main() -> list[Any]:
            calls = (source.authorization(rejected=rejected) for _ in range(times))
            return await asyncio.gather(*calls, return_exceptions=True)

        return self._runner.run(main())

    def close(self) -> None:
        self._runner.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    one = Loop()
    yield one
    one.close()


def test_one_token_for_all_who_ask_and_one_new_one_for_all_it_failed(loop: Loop) -> None:
    log: list[str] = []
    source = ProviderToken(lambda: Provider(log))
    assert loop.fetch(source, 8) == ["Bearer 1"] * 8
    assert loop.fetch(source, 8, rejected="Bearer 1") == ["Bearer 2"] * 8
    # who comes late with the old one gets the new one
    assert loop.fetch(source, 1, rejected="Bearer 1") == ["Bearer 2"]
    assert log == ["asked", "asked"]


def test_a_provider_that_refuses_is_asked_once(loop: Loop) -> None:
    log: list[str] = []
    source = ProviderToken(lambda: Provider(log, [CogniteOAuthError("invalid_client", "no such client")]))
    errors = [*loop.fetch(source, 8), *loop.fetch(source, 1)]
    assert [type(error) for error in errors] == [CdfAccessError] * 9
    assert "invalid_client" in str(errors[0])
    assert log == ["asked"]


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError()])
def test_a_provider_that_does_not_answer_may_be_asked_again(loop: Loop, error: Exception) -> None:
    log: list[str] = []
    source = ProviderToken(lambda: Provider(log, [error]))
    first = loop.fetch(source, 1)[0]
    assert isinstance(first, TransportError)
    assert not first.sent
    assert loop.fetch(source, 1) == ["Bearer 2"]


def test_a_static_token_is_always_the_same() -> None:
    source = StaticToken("t")
    assert asyncio.run(source.authorization(rejected="Bearer t")) == "Bearer t"
