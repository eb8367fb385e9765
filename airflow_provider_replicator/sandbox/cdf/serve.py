# SPDX-License-Identifier: Apache-2.0
"""Run the sandbox CDF as a process: ``python -m airflow_provider_replicator.sandbox cdf``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import threading

import uvicorn

from airflow_provider_replicator.sandbox.cdf.app import create_app
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.connection import SandboxProtocol
from airflow_provider_replicator.sandbox.memory import keep_freed_memory

HOST = "127.0.0.1"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--project", action="append", default=[], help="may be given several times")
    parser.add_argument("--token", default="sandbox", help="bearer token that may everything; empty: none is asked for")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait this long before every answer")
    parser.add_argument("--rate-limits", choices=("on", "off"), default="off", help="CDF's published request rates")
    parser.add_argument("--commit-delay-ms", type=int, default=0, help="lists see writes this much later")
    parser.add_argument(
        "--client",
        action="append",
        default=[],
        metavar="ID:SECRET[:CAPABILITY,…]",
        help="OAuth client for POST /oauth/token; capabilities such as assets:read (default: all)",
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")


def build_server(options: argparse.Namespace) -> CdfServer:
    settings = Settings(
        latency_ms=options.latency_ms,
        rate_limits=options.rate_limits == "on",
        commit_delay_ms=options.commit_delay_ms,
    )
    server = CdfServer(options.project or ["source", "target"], token=options.token or None, settings=settings)
    for client in options.client:
        client_id, _, rest = client.partition(":")
        secret, colon, capabilities = rest.partition(":")
        server.access.add_client(client_id, secret, capabilities=capabilities.split(",") if colon else None)
    return server


def run(options: argparse.Namespace) -> int:
    """Serve until a signal. Prints one line when ready."""
    # Millions of long-living documents: the collector's default thresholds would walk them again and again.
    gc.set_threshold(100_000, 50, 100)
    keep_freed_memory()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, options.port))
        listener.listen(1024)
        config = uvicorn.Config(
            create_app(build_server(options)),
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
        if options.stop_with_stdin:
            threading.Thread(target=_stop_with_stdin, daemon=True).start()
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_serve(uvicorn.Server(config), listener))
    return 0


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    print(f"listening on http://{HOST}:{listener.getsockname()[1]}", flush=True)
    await server.serve(sockets=[listener])


def _stop_with_stdin() -> None:
    """End with the process that started us, even if it was killed: its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os._exit(0)
