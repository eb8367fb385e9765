# SPDX-License-Identifier: Apache-2.0
"""Several things at once; the first that fails stops the others and is what the caller sees."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_replicator.exceptions import PermanentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from typing import Any

_Result = TypeVar("_Result")


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose failure is one plain exception: a permanent one if there is any, for a retry would not help."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        found = list(_leaves(errors))
        raise next((error for error in found if isinstance(error, PermanentError)), found[0]) from errors


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterable[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def all_of(coroutines: Iterable[Coroutine[Any, Any, _Result]]) -> list[_Result]:
    """The results in order. One coroutine runs without a task of its own."""
    waiting = list(coroutines)
    if len(waiting) == 1:
        return [await waiting[0]]
    async with together() as group:
        tasks = [group.create_task(coroutine) for coroutine in waiting]
    return [task.result() for task in tasks]
