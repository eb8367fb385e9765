# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_replicator.sandbox cdf --port 0 --project source --project target``."""

from __future__ import annotations

import argparse
import sys

from airflow_provider_replicator.sandbox.cdf import serve


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_replicator.sandbox", description="Local stand-ins for the services."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve.arguments(commands.add_parser("cdf", help="a local Cognite Data Fusion"))
    options = parser.parse_args()
    return serve.run(options)


if __name__ == "__main__":
    sys.exit(main())
