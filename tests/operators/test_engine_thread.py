# SPDX-License-Identifier: Apache-2.0
"""Signals end a run at once and cleanly: the two ways in which Airflow stops a task."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.operators._engine_thread import EngineThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class TimedOutError(BaseException):
    """Like AirflowTaskTimeout: not an Exception."""


class Copying:
    """A coroutine that never ends by itself, busy in callbacks, and that says when it runs and when it has cleaned up."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.closed = False

    async def __call__(self) -> str:
        try:
            self.running.set()
            while True:
                await asyncio.gather(*(asyncio.sleep(0) for _ in range(100)))
        finally:
            await asyncio.sleep(0)
            self.closed = True


@pytest.fixture
def send_when_running() -> Iterator[Any]:
    """Send a signal to this process as soon as an engine runs."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}

    def arrange(copying: Copying, number: signal.Signals, handler: Any) -> None:
        signal.signal(number, handler)

        def send() -> None:
            assert copying.running.wait(30)
            os.kill(os.getpid(), number)

        threading.Thread(target=send, daemon=True).start()

    yield arrange
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_result_and_the_exception_of_the_coroutine_are_passed_on() -> None:
    async def result() -> int:
        return 5

    async def error() -> int:
        raise LookupError("as it is")

    assert EngineThread(result).run() == 5
    failing = EngineThread(error)
    with pytest.raises(LookupError, match="as it is"):
        failing.run()
    assert not failing.cancelled


def test_a_timeout_raised_by_a_signal_handler_ends_the_run_and_is_not_lost(send_when_running: Any) -> None:
    copying = Copying()

    def on_alarm(number: int, frame: FrameType | None) -> None:
        raise TimedOutError

    send_when_running(copying, signal.SIGALRM, on_alarm)
    with pytest.raises(TimedOutError):
        EngineThread(copying).run()
    assert copying.closed


def test_cancel_from_a_signal_handler_ends_the_run_and_lets_it_clean_up(send_when_running: Any) -> None:
    copying = Copying()
    thread = EngineThread(copying)

    def on_term(number: int, frame: FrameType | None) -> None:
        thread.cancel()

    send_when_running(copying, signal.SIGTERM, on_term)
    with pytest.raises(asyncio.CancelledError):
        thread.run()
    assert copying.closed
    assert thread.cancelled


def test_cancelled_before_it_began_it_does_nothing() -> None:
    copying = Copying()
    thread = EngineThread(copying)
    thread.cancel()
    with pytest.raises(asyncio.CancelledError):
        thread.run()
    assert not copying.running.is_set()


def test_cancel_after_the_end_is_harmless() -> None:
    async def result() -> int:
        return 1

    thread = EngineThread(result)
    thread.run()
    thread.cancel()


def test_context_variables_of_the_task_are_seen_by_the_engine() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("of the task")

    async def read() -> str:
        return variable.get()

    assert EngineThread(read).run() == "of the task"
