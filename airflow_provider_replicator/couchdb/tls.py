# SPDX-License-Identifier: Apache-2.0
"""Whose certificates are trusted: the same in tasks and in triggers."""

from __future__ import annotations

import os
import ssl

from airflow_provider_replicator.exceptions import ConfigurationError

#: Files that the environment names, as requests and curl read them.
_ENVIRONMENT = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def context(verify: bool | str) -> ssl.SSLContext:
    """A new context. Trusted are the machine's certificates, those that requests ships, and the file ``verify``, if it is one.

    Raises ConfigurationError if the file cannot be read.
    """
    made = ssl.create_default_context()
    if verify is False:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    for bundle in _bundles(verify):
        try:
            made.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})  # noqa: PTH112
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(f"certificates cannot be read from {bundle}: {error}") from None
    return made


def untrusted(error: BaseException, host: str) -> ConfigurationError | None:
    """What a caller is told if ``error`` is, or was caused by, a certificate that is not trusted; no retry makes it trusted."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, BaseException) or item in seen:
            continue
        if isinstance(item, ssl.SSLCertVerificationError) and hasattr(item, "verify_message"):
            return ConfigurationError(
                f"the certificate of {host} is not trusted: {item.verify_message} (ca_bundle names a file of certificates to trust)"
            )
        seen.append(item)
        inner = (getattr(item, name, None) for name in ("__cause__", "__context__", "reason", "certificate_error"))
        waiting += [*inner, *item.args]
    return None


def _bundles(verify: bool | str) -> list[str]:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    named = [path for name in _ENVIRONMENT if (path := os.environ.get(name, "").strip())]
    return [DEFAULT_CA_BUNDLE_PATH, *named[:1], *([verify] if isinstance(verify, str) else [])]
