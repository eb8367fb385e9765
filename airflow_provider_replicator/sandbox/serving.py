# SPDX-License-Identifier: Apache-2.0
"""A server of the sandbox as a process: one event loop, one loopback port."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn

from airflow_provider_replicator.sandbox.connection import SandboxProtocol
from airflow_provider_replicator.sandbox.memory import keep_freed_memory
from airflow_provider_replicator.sandbox.shell import Shell

HOST = "127.0.0.1"

#: what runs beside the server: called with its URL, cancelled at its end
Beside = Callable[[str], Coroutine[Any, Any, None]]


def serving_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")


def serve(app: Shell, *, port: int, stop_with_stdin: bool, beside: Beside | None = None) -> int:
    """Serve until a signal. Prints one line when ready."""
    # Millions of long-living documents: the collector's default thresholds would walk them again and again.
    gc.set_threshold(100_000, 50, 100)
    keep_freed_memory()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1024)
        config = uvicorn.Config(
            app,
            http=SandboxProtocol,
            loop="uvloop",
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,
        )
        if stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(uvicorn.Server(config), listener, beside))
    return 0


async def _serve(server: uvicorn.Server, listener: socket.socket, beside: Beside | None) -> None:
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    companion = None if beside is None else asyncio.create_task(beside(url))
    print(f"listening on {url}", flush=True)
    await server.serve(sockets=[listener])
    if companion is not None:
        companion.cancel()
        await asyncio.gather(companion, return_exceptions=True)


def _stop_with_stdin() -> None:
    """End with the process that started us, even if it was killed: its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os._exit(0)
