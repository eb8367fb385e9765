# SPDX-License-Identifier: Apache-2.0
"""Fields of a connection, as Airflow keeps them: read by name from an allow-list, each as its type."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from airflow_provider_replicator.exceptions import ConfigurationError

#: How a field is read (TypeError or ValueError if it cannot be), and what it should be.
Field: TypeAlias = tuple[Callable[[Any], Any], str]


def read_extra(extra: Mapping[str, Any], known: Mapping[str, Field]) -> dict[str, Any]:
    """What is filled in, each as its type. The UI leaves None or an empty text where nothing is.

    Raises :class:`ConfigurationError` for a name that is not ``known``, and for a value that cannot be read, which it does not quote.
    """
    if unknown := sorted(set(extra) - set(known)):
        raise ConfigurationError(f"unknown in extra: {', '.join(unknown)}. There are: {', '.join(known)}")
    values = {}
    for name, value in extra.items():
        value = value.strip() if isinstance(value, str) else value
        if value is None or value == "":
            continue
        read, expected = known[name]
        try:
            values[name] = read(value)
        except (TypeError, ValueError):
            # the value is not quoted: it may be a secret in the wrong field
            raise ConfigurationError(f"{name} in extra is no {expected}") from None
    return values


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError
    read = int(value)
    if read < 1:
        raise ValueError
    return read


def number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    read = float(value)
    if not 0 < read < float("inf"):
        raise ValueError
    return read


def flag(value: Any) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    written = str(value).lower()
    if written not in known:
        raise ValueError
    return known[written]


def checked_url(name: str, url: str, *, allow_http: bool) -> None:
    """Secrets and data go only over TLS, to this very machine, or where somebody said that it is fine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{name} is not a URL: {error}") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ConfigurationError(f"{name} is not a URL: it begins with https:// and a host name")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} holds credentials: they go into login and password")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise ConfigurationError(
            f"{name} is http, which sends secrets and data readably over the network: write https:// "
            '(or set allow_http, "allow_http": true in extra, if the network is yours)'
        )


def is_loopback(host: str) -> bool:
    """Whether a host name means this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
