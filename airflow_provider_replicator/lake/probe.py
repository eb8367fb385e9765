# SPDX-License-Identifier: Apache-2.0
"""Is a lake usable? Everything that the tables need is done once to a small object."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import LakeError

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake


def probe(lake: Lake) -> tuple[bool, str]:
    """(usable, sentence). Raises the errors of :mod:`.errors` for what the store refuses."""
    objects = lake.objects()
    key = f"_cdf_probe/{secrets.token_hex(8)}"
    created = objects.put_if_absent(key, b"first")
    try:
        again = objects.put_if_absent(key, b"second")
        content = objects.get(key)
    finally:
        objects.delete([key])
    if not created or again or content != b"first":
        raise LakeError(
            f"{lake.root}: the store ignores conditions (If-None-Match), so two writers would overwrite each other's commits"
        )
    return True, f"may write, write on condition, read and delete below {lake.root}"
