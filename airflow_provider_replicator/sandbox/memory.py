# SPDX-License-Identifier: Apache-2.0
"""Memory of a server that handles megabytes per request."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEEP_BYTES = 512 * 1024 * 1024


def keep_freed_memory() -> None:
    """Have the C library keep what is freed instead of giving it back to the kernel with every request.

    A page of 100 000 points takes 1.8 MB a few times over; faulting those pages in again each time costs more than
    computing them. Only glibc has these switches; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
