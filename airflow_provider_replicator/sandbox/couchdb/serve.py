# SPDX-License-Identifier: Apache-2.0
"""Run the sandbox CouchDB as a process: ``python -m airflow_provider_replicator.sandbox couchdb``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from airflow_provider_replicator.sandbox.couchdb.app import CouchApp
from airflow_provider_replicator.sandbox.couchdb.server import CouchServer
from airflow_provider_replicator.sandbox.couchdb.settings import CouchSettings
from airflow_provider_replicator.sandbox.couchdb.store import CouchInstance, Options
from airflow_provider_replicator.sandbox.serving import serve, serving_arguments


def arguments(parser: argparse.ArgumentParser) -> None:
    serving_arguments(parser)
    parser.add_argument(
        "--admin", action="append", default=[], metavar="NAME:PASSWORD", help="without any, everybody may everything"
    )
    parser.add_argument("--database", action="append", default=[], help="made at the start; may be given several times")
    parser.add_argument("--version", default=Options().version, help="what the server says it is, and behaves like")
    parser.add_argument(
        "--time-scale", type=float, default=0.05, help="the scheduler's times are multiplied by this (default: 0.05)"
    )
    parser.add_argument(
        "--legacy", action="store_true", help="no scheduler: replications keep their state in documents"
    )
    parser.add_argument("--data", type=Path, help="keep everything in this file, also over the death of the process")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait this long before every answer")


def build_server(options: argparse.Namespace) -> CouchServer:
    chosen = Options(version=options.version, time_scale=options.time_scale, legacy=options.legacy)
    admins = dict(one.split(":", 1) for one in options.admin)
    server = CouchServer(CouchInstance(options=chosen), admins=admins, data=options.data)
    for name in options.database:
        if name not in server.instance.databases:
            server.instance.create(name)
    return server


def run(options: argparse.Namespace) -> int:
    """Serve until a signal. Prints one line when ready."""
    server = build_server(options)

    async def beside(url: str) -> None:
        server.instance.url = url
        await asyncio.gather(*(start() for start in server.instance.background))

    app = CouchApp(server, CouchSettings(latency_ms=options.latency_ms))
    return serve(app, port=options.port, stop_with_stdin=options.stop_with_stdin, beside=beside)
