# SPDX-License-Identifier: Apache-2.0
"""Coroutines without an event loop: for tasks, whose transport blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive ``coroutine`` to its end. Raises RuntimeError if it waits for something, which needs an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("the coroutine waits for an event loop: its transport does not block")
