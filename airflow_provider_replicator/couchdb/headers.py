# SPDX-License-Identifier: Apache-2.0
"""Headers of answers, as one mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What every request says of its sender.
USER_AGENT = f"airflow-provider-replicator/{__version__}"


def lowered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; what comes several times is joined by commas, and cookies, which hold commas, by line ends."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        if key in found:
            found[key] += ("\n" if key == "set-cookie" else ", ") + value
        else:
            found[key] = value
    return found
