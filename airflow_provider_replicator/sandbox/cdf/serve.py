# SPDX-License-Identifier: Apache-2.0
"""Run the sandbox CDF as a process: ``python -m airflow_provider_replicator.sandbox cdf``."""

from __future__ import annotations

import argparse

from airflow_provider_replicator.sandbox.cdf.app import create_app
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.cdf.settings import Settings
from airflow_provider_replicator.sandbox.serving import serve, serving_arguments


def arguments(parser: argparse.ArgumentParser) -> None:
    serving_arguments(parser)
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
    return serve(create_app(build_server(options)), port=options.port, stop_with_stdin=options.stop_with_stdin)
