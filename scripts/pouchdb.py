# SPDX-License-Identifier: Apache-2.0
"""pouchdb-server for the tests, which use it where it is installed: ``python -m scripts.pouchdb`` (``make pouchdb``)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "4.2.0"
#: What it needs is taken as it was on that day: it names ranges of versions.
AS_OF = "2026-06-01"
FOLDER = Path(__file__).parents[1] / ".cache" / f"pouchdb-server-{VERSION}"


class NotInstalledError(Exception):
    """The message says what to do."""


def program() -> Path:
    """The installed server, a script for Node. Raises NotInstalledError."""
    found = FOLDER / "node_modules" / "pouchdb-server" / "bin" / "pouchdb-server"
    if shutil.which("node") is None:
        raise NotInstalledError("pouchdb-server needs Node")
    if not found.exists():
        raise NotInstalledError("pouchdb-server is not installed: make pouchdb")
    return found


def install() -> None:
    """Into ``FOLDER``, which is there whole or not at all; done once. Raises NotInstalledError."""
    if FOLDER.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("pouchdb-server needs Node with npm")
    print(f"installing pouchdb-server {VERSION} into {FOLDER} (once) …", flush=True)
    FOLDER.parent.mkdir(exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=FOLDER.parent))
    try:
        _install(npm, unfinished)
        unfinished.rename(FOLDER)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _install(npm: str, folder: Path) -> None:
    # Its scripts would build add-ons for storage on disk, which is not used here.
    options = ["--ignore-scripts", "--omit=optional", f"--before={AS_OF}", "--no-package-lock"]
    quiet = ["--loglevel=error", "--no-audit", "--no-fund"]
    command = [npm, "install", *options, *quiet, "--prefix", str(folder), f"pouchdb-server@{VERSION}"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        raise NotInstalledError("npm could not install pouchdb-server")


def main() -> None:
    """Without it the tests that need it are skipped, so that it is no error if it cannot be had."""
    try:
        install()
    except NotInstalledError as missing:
        print(f"{missing}; the tests with it are skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
