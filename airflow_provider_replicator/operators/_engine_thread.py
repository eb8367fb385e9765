# SPDX-License-Identifier: Apache-2.0
"""Run one coroutine to its end while Airflow's signals keep working.

Airflow speaks to a task through signals, whose handlers run in the main thread between any two bytecodes: SIGTERM calls
``on_kill``, and ``execution_timeout`` raises from SIGALRM. Raised inside an event loop, that exception would hit whichever
callback happens to run, and asyncio reports the exceptions of callbacks instead of raising them: the timeout would be lost. So
the loop gets a thread of its own and the main thread only waits, where an exception is certain to be seen; the coroutine is
then cancelled and given the time to close its connections.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")

#: How long a cancelled coroutine may take to close its connections before the task ends without it.
CLEAN_UP_SECONDS = 60.0


class EngineThread(Generic[T]):
    """One run of ``main``. ``run`` may be called once; ``cancel`` from any thread and from signal handlers, any time."""

    def __init__(self, main: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._main = main
        self._outcome: Future[T] = Future()
        self._over = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self.cancelled = False

    def run(self) -> T:
        """The result of the coroutine, or its exception.

        Whatever ends the wait, the coroutine is over when this returns, unless it took longer than a minute to clean up.
        """
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._serve,), name="replication", daemon=True)
        try:
            thread.start()  # inside, because it waits as well: until the thread runs
            # Not for ever: a signal that arrives just before the wait begins is handled when the wait ends.
            while not self._over.wait(1.0):
                pass
            return self._outcome.result()
        finally:
            if not self._over.is_set():  # a signal's exception ended the wait
                self.cancel()
            if thread.is_alive():
                thread.join(CLEAN_UP_SECONDS)

    def cancel(self) -> None:
        """Ask the coroutine to stop at its next await and to close what it opened. Returns at once."""
        self.cancelled = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # the loop is closed: the coroutine is over
                loop.call_soon_threadsafe(task.cancel)

    def _serve(self) -> None:
        try:
            self._outcome.set_result(asyncio.run(self._supervised()))
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self._outcome.set_exception(error)
        self._over.set()

    async def _supervised(self) -> T:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._main())
        if self.cancelled:  # before there was anything to cancel
            self._task.cancel()
        return await self._task
