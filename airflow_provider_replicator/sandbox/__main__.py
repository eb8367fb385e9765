# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_provider_replicator.sandbox cdf --port 0 --project source --project target``, or ``… s3 --bucket lake``."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

_COMMANDS = {"cdf": "a local Cognite Data Fusion", "couchdb": "a local CouchDB", "s3": "a local S3"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_replicator.sandbox", description="Local stand-ins for the services."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text)
        if name in sys.argv[1:2]:  # only what is asked for is loaded: it takes a second
            module = import_module(f"airflow_provider_replicator.sandbox.{name}.serve")
            module.arguments(command)
            command.set_defaults(run=module.run)
    options = parser.parse_args()
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
