# SPDX-License-Identifier: Apache-2.0
"""The process's collector settings come back, also after errors and after runs that overlap."""

from __future__ import annotations

import asyncio
import gc

import pytest

from airflow_provider_replicator.core.collector import seldom_collected


def test_rare_while_running_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    seen: list[int] = []

    @seldom_collected
    async def run(fail: bool) -> None:
        seen.append(gc.get_threshold()[0])
        await asyncio.sleep(0)
        if fail:
            raise ValueError("on purpose")

    async def two() -> None:
        results = await asyncio.gather(run(False), run(True), return_exceptions=True)
        assert isinstance(results[1], ValueError)

    asyncio.run(two())
    assert seen == [100_000, 100_000]
    assert gc.get_threshold() == before
    with pytest.raises(ValueError, match="on purpose"):
        asyncio.run(run(True))  # type: ignore[arg-type]
    assert gc.get_threshold() == before
