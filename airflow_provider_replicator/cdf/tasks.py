# SPDX-License-Identifier: Apache-2.0
"""Many things, so many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.cdf.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

_Item = TypeVar("_Item")
_First = TypeVar("_First")
_Second = TypeVar("_Second")


async def for_each(items: Iterable[_Item], work: Callable[[_Item], Awaitable[None]], *, at_once: int) -> None:
    """``work`` on every item, in their order, ``at_once`` at a time. An item is taken when there is room for it."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with together() as group:
        for _ in range(at_once):
            group.create_task(worker())


async def both(first: Coroutine[Any, Any, _First], second: Coroutine[Any, Any, _Second]) -> tuple[_First, _Second]:
    """Two different things at once. If one fails, the other is cancelled."""
    async with together() as group:
        one, other = group.create_task(first), group.create_task(second)
    return one.result(), other.result()
