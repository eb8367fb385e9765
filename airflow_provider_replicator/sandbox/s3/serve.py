# SPDX-License-Identifier: Apache-2.0
"""Run the sandbox S3 as a process: ``python -m airflow_provider_replicator.sandbox s3 --port 0 --bucket lake``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_provider_replicator.sandbox.s3.seaweedfs import HOST, SeaweedFS, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

#: Seconds until a server that does not get ready is given up.
_START_SECONDS = 60
#: Seconds that it gets to stop by itself, where its folder is kept. It would take half a minute; what it has answered is on disk.
_STOP_SECONDS = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--bucket", action="append", default=[], help="is made; may be given several times (lake)")
    parser.add_argument("--data", type=Path, help="folder that is kept; otherwise everything is gone at the end")
    parser.add_argument("--access-key", default=os.environ.get("SANDBOX_S3_ACCESS_KEY", "sandbox"))
    parser.add_argument("--secret-key", default=os.environ.get("SANDBOX_S3_SECRET_KEY", "sandbox-secret"))
    parser.add_argument("--healthy", action="store_true", help="ask a running one instead; 0 if it serves its buckets")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input closes")


def run(options: argparse.Namespace) -> int:
    """Serve until a signal. Prints one line when ready; 1 if the server ends by itself."""
    if options.healthy:
        return _healthy(options)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    if options.stop_with_stdin:
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    with _folder(options.data) as folder:
        server = SeaweedFS(
            folder,
            port=options.port or free_ports(1)[0],
            access_key=options.access_key,
            secret_key=options.secret_key,
        )
        try:
            server.start()
            _make_buckets(server, options)
            print(f"listening on {server.url}", flush=True)
            while not server.ended():
                time.sleep(0.5)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            server.stop(0 if options.data is None else _STOP_SECONDS)
    print("the server ended by itself", file=sys.stderr)
    return 1


def _client(url: str, options: argparse.Namespace) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )


def _healthy(options: argparse.Namespace) -> int:
    client = _client(f"http://{HOST}:{options.port}", options)
    try:
        for bucket in options.bucket:
            client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except (BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _make_buckets(server: SeaweedFS, options: argparse.Namespace) -> None:
    """Wait until it answers, and until an object can be written."""
    client = _client(server.url, options)
    until = time.monotonic() + _START_SECONDS
    for bucket in options.bucket or ["lake"]:
        while True:
            try:
                client.create_bucket(Bucket=bucket)
            except (client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                pass
            except (BotoCoreError, ClientError) as error:
                _wait(server, until, error)
                continue
            try:
                client.put_object(Bucket=bucket, Key=".ready", Body=b"ready")
                client.delete_object(Bucket=bucket, Key=".ready")
                break
            except (BotoCoreError, ClientError) as error:
                _wait(server, until, error)


def _wait(server: SeaweedFS, until: float, error: Exception) -> None:
    if server.ended() or time.monotonic() > until:
        raise RuntimeError(f"SeaweedFS does not start: {error}\n{server.log()}")
    time.sleep(0.05)


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="sandbox-s3-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _exit(*_: object) -> NoReturn:
    sys.exit(0)


def _stop_with_stdin() -> None:
    """End with the process that started us, even if it was killed: its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
