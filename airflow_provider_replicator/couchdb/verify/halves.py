# SPDX-License-Identifier: Apache-2.0
"""Requests about many objects that may turn out to be too large: asked again in halves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_replicator.exceptions import CouchRequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_TOO_LARGE = 413


async def in_halves(
    items: Sequence[ItemT], ask: Callable[[Sequence[ItemT]], Awaitable[ResultT]]
) -> list[tuple[Sequence[ItemT], ResultT | None]]:
    """What ``ask`` answers, for all items or for parts of them; None for a single item that is too large by itself."""
    if not items:
        return []
    try:
        return [(items, await ask(items))]
    except CouchRequestError as error:
        if error.status != _TOO_LARGE:
            raise
    if len(items) == 1:
        return [(items, None)]
    middle = len(items) // 2
    return [*await in_halves(items[:middle], ask), *await in_halves(items[middle:], ask)]
