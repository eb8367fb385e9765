# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens for the transport, out of the official SDK's credential providers. Nothing here prints a token."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from airflow_provider_replicator.cdf.http.transport import TransportError
from airflow_provider_replicator.exceptions import CdfAccessError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cognite.client.credentials import CredentialProvider

#: The SDK's providers renew a token 30 seconds before it expires, when asked; asked this often, they never hand out a dead one.
_ASK_EVERY_SECONDS = 10.0


class TokenSource(Protocol):
    """Where the transport gets its authorization header from. Safe for many coroutines at once."""

    async def authorization(self, *, rejected: str | None = None) -> str:
        """The value of the header. ``rejected`` is a value that worked and that the server now answers with 401: a source that
        can get another does so, once for all who ask; one that cannot returns the same again.
        """
        ...


class StaticToken:
    """A token that never changes."""

    def __init__(self, token: str) -> None:
        self._authorization = f"Bearer {token}"

    async def authorization(self, *, rejected: str | None = None) -> str:
        return self._authorization


class ProviderToken:
    """Tokens of an SDK credential provider. It blocks while it fetches one, so it is asked in a thread.

    ``make`` builds the provider: a token that the server rejects is replaced by asking a new one, because a provider keeps its
    token until its own clock says that it has expired. Raises :class:`CdfAccessError` when the identity provider refuses, and
    then never asks it again; :class:`TransportError` when it cannot be reached.
    """

    def __init__(self, make: Callable[[], CredentialProvider]) -> None:
        self._make = make
        self._provider: CredentialProvider | None = None
        self._authorization: str | None = None
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()
        self._refusal: str | None = None

    async def authorization(self, *, rejected: str | None = None) -> str:
        known = self._usable(rejected)
        if known is not None:
            return known
        async with self._lock:
            known = self._usable(rejected)  # somebody else may have asked while we waited
            if known is not None:
                return known
            if rejected is not None and self._authorization == rejected:
                self._provider = None
            self._authorization = await asyncio.to_thread(self._ask)
            self._asked_at = time.monotonic()
            return self._authorization

    def _usable(self, rejected: str | None) -> str | None:
        if self._refusal is not None:
            raise CdfAccessError(401, self._refusal, path="token")
        known = self._authorization
        fresh = time.monotonic() - self._asked_at < _ASK_EVERY_SECONDS
        return known if fresh and known != rejected else None

    def _ask(self) -> str:
        from cognite.client.exceptions import CogniteAuthError
        from httpx2 import HTTPError

        try:
            if self._provider is None:
                self._provider = self._make()
            return self._provider.authorization_header()[1]
        except (CogniteAuthError, KeyError) as error:
            self._refusal = f"the identity provider gives no token: {error}"
            raise CdfAccessError(401, self._refusal, path="token") from error
        except (HTTPError, OSError) as error:
            raise TransportError(
                f"the identity provider does not answer: {str(error) or type(error).__name__}", sent=False
            ) from error
