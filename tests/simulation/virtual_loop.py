# SPDX-License-Identifier: Apache-2.0
"""An asyncio event loop on virtual time: no selector, no threads, no wall clock.

When nothing is ready to run, time jumps to the next timer. Hours of back-off pass in microseconds, and the order of
everything depends on the program and its seeds alone.
"""

from __future__ import annotations

import asyncio
from asyncio import base_events
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Deadlock(Exception):  # noqa: N818 - it is what happened, not an error of the caller
    """Nothing is ready and no timer is set: the program waits for something that cannot come."""


class Crash(BaseException):
    """The simulated process is gone. Nothing of the program under test may catch this: it is raised in the loop itself."""


class TooLong(Exception):  # noqa: N818
    """The program ran for more steps than any healthy run needs."""


class _NoSelector:
    """Stands where asyncio's loop waits for sockets; here waiting is moving the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("every task waits and no timer is set")
        if timeout > 0:
            self._loop.advance(timeout)
        return []


class VirtualLoop(base_events.BaseEventLoop):
    """``on_step`` is called before every turn of the loop and may raise :class:`Crash` to end the process there."""

    def __init__(
        self, *, start: float = 0.0, on_step: Callable[[], None] | None = None, max_steps: int = 200_000
    ) -> None:
        super().__init__()
        self._now = start
        self._selector = _NoSelector(self)
        self._on_step = on_step
        self._max_steps = max_steps
        self.steps = 0
        self.unhandled: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        # A nanosecond more than asked for: timers compare with `<`, and a float that rounds down would spin.
        self._now += seconds + 1e-9

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no events but timers."""

    def _write_to_self(self) -> None:
        """Nobody waits in a selector, so nobody has to be woken."""

    def _run_once(self) -> None:
        self.steps += 1
        if self.steps > self._max_steps:
            raise TooLong(f"{self.steps} steps, {self._now:.0f} virtual seconds")
        if self._on_step is not None:
            self._on_step()
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Threads would make the order of things depend on the machine: the call happens here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future


def run(program: Coroutine[Any, Any, Any], loop: VirtualLoop) -> Any:
    """Run to the end on virtual time. On Crash every task is thrown away, as SIGKILL does; the Crash goes to the caller.

    What the program leaves behind without asking (tasks still running, exceptions nobody looked at) is an error.
    """
    asyncio.set_event_loop(loop)
    try:
        result = loop.run_until_complete(program)
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        _kill(left, loop)
        if left:
            raise AssertionError(f"tasks left running: {left}")
        if loop.unhandled:
            raise AssertionError(f"exceptions nobody looked at: {loop.unhandled}")
        return result
    except Crash:
        _kill([task for task in asyncio.all_tasks(loop) if not task.done()], loop)
        raise
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _kill(tasks: list[asyncio.Task[Any]], loop: VirtualLoop) -> None:
    """Unwind the tasks of a process that no longer exists. The world it talks to must already ignore it."""
    loop._on_step = None
    loop._max_steps = loop.steps + 50_000
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
