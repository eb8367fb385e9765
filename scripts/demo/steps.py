# SPDX-License-Identifier: Apache-2.0
"""What the demo prints while it runs."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(text: str = "") -> None:
    print(text, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Print what is going on, then how long it took."""
    print(f"{text} …", end=" ", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say(f"{time.monotonic() - started:.1f} s")
