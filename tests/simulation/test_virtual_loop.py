# SPDX-License-Identifier: Apache-2.0
"""The simulation stands on its loop: time that jumps, deaths that leave nothing, waits that cannot end."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from tests.simulation.virtual_loop import Crash, Deadlock, TooLong, VirtualLoop, run


def test_hours_of_sleep_take_no_time() -> None:
    async def program() -> float:
        await asyncio.gather(*(asyncio.sleep(3600 * n) for n in range(10)))
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(program(), VirtualLoop(start=5.0)) == pytest.approx(5.0 + 9 * 3600)
    assert time.monotonic() - began < 5


def test_timers_fire_in_order_of_time() -> None:
    order: list[int] = []

    async def sleeper(seconds: int) -> None:
        await asyncio.sleep(seconds)
        order.append(seconds)

    async def program() -> None:
        await asyncio.gather(*(sleeper(n) for n in (3, 1, 2)))

    run(program(), VirtualLoop())
    assert order == [1, 2, 3]


def test_a_wait_that_cannot_end_is_reported() -> None:
    async def program() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(program(), VirtualLoop())


def test_a_program_that_never_ends_is_stopped() -> None:
    async def program() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(TooLong):
        run(program(), VirtualLoop(max_steps=100))


def test_a_crash_ends_every_task_at_any_step() -> None:
    async def program(log: list[str]) -> None:
        async def worker(name: str) -> None:
            for n in range(3):
                await asyncio.sleep(1)
                log.append(f"{name}{n}")

        await asyncio.gather(worker("a"), worker("b"))

    def play(crash_at: int) -> list[str]:
        log: list[str] = []
        steps = iter(range(1000))

        def on_step() -> None:
            if next(steps) == crash_at:
                raise Crash

        try:
            run(program(log), VirtualLoop(on_step=on_step))
        except Crash:
            log.append("crash")
        return log

    logs = [play(crash_at) for crash_at in range(12)]
    assert logs[0] == ["crash"]
    assert logs[-1] == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert ["a0", "b0", "crash"] in logs


def test_what_a_program_leaves_running_is_an_error() -> None:
    async def program() -> None:
        task = asyncio.ensure_future(asyncio.sleep(10))
        await asyncio.sleep(0)
        assert not task.done()

    with pytest.raises(AssertionError, match="left running"):
        run(program(), VirtualLoop())


def test_threads_run_in_place() -> None:
    async def program() -> int:
        return await asyncio.to_thread(sum, [1, 2, 3])

    assert run(program(), VirtualLoop()) == 6
