# SPDX-License-Identifier: Apache-2.0
"""Runs of the engines in processes of their own that are killed (SIGKILL) between any two effects on the lake.

One process imports everything and forks for each run: importing deltalake before a fork is fine, using it is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.lake.location import Lake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Outcome:
    """``effects``: what was done to the lake, in order; only for a run that came to its end."""

    killed: bool
    effects: list[str]
    error: str = ""


class Killable:
    """A process that runs functions of tests in children of its own."""

    def __enter__(self) -> Killable:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lake.killable"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def run(self, function: Callable[..., None], *arguments: Any, kill_at: int | None = None) -> Outcome:
        """Call a function of a module with arguments that can be pickled.

        ``kill_at``: right after so many effects, which is right before the next one. None: not at all.
        """
        job = {"function": function, "arguments": arguments, "kill_at": kill_at}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        data = pickle.dumps(job)
        self._process.stdin.write(len(data).to_bytes(8, "big") + data)
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))


def kill_everywhere(
    lake: Lake,
    folder: Path,
    *,
    run: Callable[[Lake, int | None], Outcome],
    run_again: Callable[[Lake], None],
    content: Callable[[Lake], Any],
    at_once: bool = False,
) -> list[str]:
    """``run``, killed between any two effects on a copy of ``lake`` and then repeated, leaves the ``content`` of an undisturbed run.

    Returns the effects of that one. ``run_again`` also checks what it leaves. ``at_once``: what a killed run leaves is the content
    of before or that of after it, nothing in between.
    """
    Path(lake.prefix).mkdir(parents=True, exist_ok=True)

    def fresh(name: str) -> Lake:
        shutil.copytree(lake.prefix, folder / name)
        return Lake(f"file://{folder / name}")

    before = content(fresh("before")) if at_once else None
    copy = fresh("undisturbed")
    undisturbed = run(copy, None)
    assert not undisturbed.error
    expected = content(copy)
    assert not at_once or before != expected
    for kill_at in range(1, len(undisturbed.effects) + 1):
        copy = fresh(f"killed-{kill_at}")
        assert run(copy, kill_at).killed
        assert not at_once or content(copy) in (before, expected), (kill_at, undisturbed.effects)
        run_again(copy)
        assert content(copy) == expected, (kill_at, undisturbed.effects)
    return undisturbed.effects


def run_engine(base_url: str, token: str, project: str, lake: Lake, options: Any) -> None:
    """One run of the engine that has such options, in this process: what is killed, and what is tried again."""
    engine = _engines()[type(options)]

    async def main() -> None:
        transport = AiohttpTransport(base_url, project, StaticToken(token))
        async with CdfClient(transport, project=project) as client:
            await engine(source=client, lake=lake, options=options)

    asyncio.run(main())


def _engines() -> dict[type, Callable[..., Awaitable[object]]]:
    """The engines that read CDF. Imported here, because the tests of other sources need none of them."""
    from airflow_provider_replicator.lake.datapoints import feed, window
    from airflow_provider_replicator.lake.datapoints.options import FeedOptions, PointsOptions
    from airflow_provider_replicator.lake.instances.options import InstancesOptions
    from airflow_provider_replicator.lake.instances.replicate import replicate_instances
    from airflow_provider_replicator.lake.resources.classic import resource_to_delta
    from airflow_provider_replicator.lake.resources.options import RawTableOptions, ResourceOptions
    from airflow_provider_replicator.lake.resources.raw import raw_to_delta

    return {
        FeedOptions: feed.follow_subscription,
        InstancesOptions: replicate_instances,
        PointsOptions: window.export_datapoints,
        RawTableOptions: raw_to_delta,
        ResourceOptions: resource_to_delta,
    }


def rows_of(lake: Lake, *paths: str) -> list[Counter[str]]:
    """The rows of tables as multisets, without what may differ between runs."""
    import polars as pl

    frames = (pl.scan_delta(lake.uri(path)).drop("_batch", "_order", strict=False).collect() for path in paths)
    return [Counter(map(str, frame.rows())) for frame in frames]


# -- in the other process


def _serve() -> None:
    import aiohttp  # noqa: F401
    import deltalake  # noqa: F401
    import msgspec  # noqa: F401
    import numpy as np  # noqa: F401
    import orjson  # noqa: F401
    import polars  # noqa: F401
    import pyarrow.compute  # noqa: F401

    import tests.lake.datapoints.tables
    import tests.lake.documents.world
    import tests.lake.instances.world
    import tests.lake.resources.exports  # noqa: F401 - and with them the engines

    while size := sys.stdin.buffer.read(8):
        job = pickle.loads(sys.stdin.buffer.read(int.from_bytes(size, "big")))  # noqa: S301 - from our own parent
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _child(job, write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            told = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"killed": killed, "effects": []} | (json.loads(told) if told else {})
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _child(job: dict[str, Any], write: int) -> None:
    effects: list[str] = []
    try:
        _count_effects(effects, job["kill_at"])
        job["function"](*job["arguments"])
        told = {"effects": effects}
    except Exception as error:  # noqa: BLE001 - told to the test
        told = {"effects": effects, "error": repr(error)}  # type: ignore[dict-item]
    os.write(write, json.dumps(told).encode())
    os._exit(0)


def _count_effects(effects: list[str], kill_at: int | None) -> None:
    """Every write to the lake goes through one of these."""
    from deltalake import DeltaTable
    from deltalake.table import TableMerger, TableOptimizer

    from airflow_provider_replicator.lake.objects import LocalObjects
    from airflow_provider_replicator.lake.table import Table

    lock = threading.Lock()  # some effects are those of several threads

    def watch(owner: type, name: str) -> None:
        inner = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            result = inner(*args, **kwargs)
            with lock:
                effects.append(f"{owner.__name__}.{name}")
                if kill_at == len(effects):
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, watched)

    for owner, name in (
        (LocalObjects, "put_if_absent"),
        (LocalObjects, "upload"),
        (LocalObjects, "delete"),
        (Table, "_create"),
        (Table, "append"),
        (Table, "replace"),
        (TableMerger, "execute"),
        (TableOptimizer, "compact"),
        (TableOptimizer, "z_order"),
        (DeltaTable, "create_write_transaction"),
        (DeltaTable, "create_checkpoint"),
        (DeltaTable, "cleanup_metadata"),
        (DeltaTable, "delete"),
        (DeltaTable, "vacuum"),
    ):
        watch(owner, name)


if __name__ == "__main__":
    _serve()
