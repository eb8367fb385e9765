# SPDX-License-Identifier: Apache-2.0
"""cognite-replicator 1.3.2 in an environment of its own: it pins an SDK and a protobuf that no current Airflow can live with."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

VENV = Path(__file__).parents[1] / "build" / "peer-venv"
PINS = Path(__file__).with_name("peer-constraints.txt")
PEER = "cognite-replicator==1.3.2"


def peer_python(venv: Path = VENV) -> Path:
    """The peer's interpreter. The environment is made when it is missing or was made of other pins.

    Killed while it is made, it is made again at the next call. Raises CalledProcessError with the installer's output on the screen.
    """
    venv = venv.resolve()  # the module venv refuses a symlink, e.g. to a bigger disk
    python = venv / "bin" / "python"
    stamp = venv / ".ready"
    pins = PINS.read_text()
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"installing {PEER} into {venv} (once) …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        _install(python)
        stamp.write_text(pins)
    return python


def _install(python: Path) -> None:
    """With uv if there is one (seconds), else or if that fails with the environment's own pip (a minute)."""
    what = ["--quiet", "--constraint", str(PINS), PEER]
    if importlib.util.find_spec("uv"):
        uv = [sys.executable, "-m", "uv", "pip", "install", "--python", str(python)]
        if subprocess.run([*uv, *what], check=False).returncode == 0:
            return
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*pip, *what], check=True)
