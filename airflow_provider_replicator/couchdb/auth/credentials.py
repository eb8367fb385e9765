# SPDX-License-Identifier: Apache-2.0
"""The five kinds of credentials, as values. None of them shows a secret in its repr."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

#: Where IBM Cloud exchanges an API key for a token.
IAM_URL = "https://iam.cloud.ibm.com/identity/token"
#: How an API key is written into the document of a job: newer servers of IBM may want the longer name.
IamForm = Literal["iam", "ibm.iam"]


@dataclass(frozen=True, slots=True)
class NoAuth:
    """Nobody in particular."""

    def secrets(self) -> tuple[str, ...]:
        """What may be seen nowhere."""
        return ()

    def endpoint(self, *, headers: bool = False) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """Name and password with every request."""

    username: str
    password: str = field(repr=False)

    def authorization(self) -> str:
        """The value of the header. UTF-8 and the plain base64 alphabet: any printable character may be in a password."""
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")

    def secrets(self) -> tuple[str, ...]:
        return self.password, self.authorization().removeprefix("Basic ")

    def endpoint(self, *, headers: bool = False) -> dict[str, Any]:
        if headers:
            return {"headers": {"Authorization": self.authorization()}}
        return {"auth": {"basic": {"username": self.username, "password": self.password}}}


@dataclass(frozen=True, slots=True)
class SessionAuth(BasicAuth):
    """Name and password once, then a cookie that the server renews. In the document of a job they are as in :class:`BasicAuth`."""


@dataclass(frozen=True, slots=True)
class IamAuth:
    """An API key of IBM Cloud, exchanged for tokens at ``url``; in the document of a job the server is given the key itself."""

    api_key: str = field(repr=False)
    url: str = IAM_URL
    form: IamForm = "iam"

    def secrets(self) -> tuple[str, ...]:
        return (self.api_key,)

    def endpoint(self, *, headers: bool = False) -> dict[str, Any]:
        block: dict[str, Any] = {"iam": {"api_key": self.api_key}}
        return {"auth": {"ibm": block} if self.form == "ibm.iam" else block}


@dataclass(frozen=True, slots=True)
class BearerAuth:
    """A token that somebody else renews, or nobody."""

    token: str = field(repr=False)

    def authorization(self) -> str:
        return f"Bearer {self.token}"

    def secrets(self) -> tuple[str, ...]:
        return (self.token,)

    def endpoint(self, *, headers: bool = False) -> dict[str, Any]:
        return {"headers": {"Authorization": self.authorization()}}


Auth: TypeAlias = NoAuth | BasicAuth | SessionAuth | IamAuth | BearerAuth
