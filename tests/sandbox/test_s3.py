# SPDX-License-Identifier: Apache-2.0
"""The sandbox S3: loopback only, credentials checked, gone when it should be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_replicator.sandbox.s3.running import RunningS3

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def s3() -> Iterator[RunningS3]:
    with RunningS3(buckets=("one", "two"), access_key="me", secret_key="a-secret") as running:
        yield running


def client(s3: RunningS3, access_key: str = "me", secret_key: str = "a-secret", **config: Any) -> Any:  # noqa: S107
    return boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name=s3.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_it_serves_its_buckets_on_loopback_only(s3: RunningS3) -> None:
    for bucket in ("one", "two"):
        client(s3).put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client(s3).put_object(Bucket="one", Key="k", Body=b"2", IfNoneMatch="*")
    listening = [
        connection.laddr.ip
        for process in family(s3.pid)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_it_checks_credentials(s3: RunningS3) -> None:
    for stranger in (
        client(s3, access_key="you"),
        client(s3, secret_key="wrong"),
        client(s3, signature_version=UNSIGNED),
    ):
        with pytest.raises(ClientError) as refused:
            stranger.list_objects_v2(Bucket="one")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_its_health_can_be_asked(s3: RunningS3) -> None:
    command = [sys.executable, "-m", "airflow_provider_replicator.sandbox", "s3", "--healthy", "--access-key", "me"]
    command += ["--secret-key", "a-secret", "--port", s3.url.rpartition(":")[2], "--bucket"]
    asked = [subprocess.run([*command, bucket], capture_output=True, check=False) for bucket in ("one", "three")]
    assert [one.returncode for one in asked] == [0, 1]


def test_it_ends_with_whoever_started_it_and_keeps_what_is_to_be_kept(tmp_path: Path) -> None:
    script = (
        "import json, sys, time\n"
        "from airflow_provider_replicator.sandbox.s3.running import RunningS3\n"
        "with RunningS3(args=('--data', sys.argv[1])) as s3:\n"
        "    print(json.dumps([s3.url, s3.pid]), flush=True)\n"
        "    time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    url, pid = json.loads(starter.stdout.readline())
    started = [psutil.Process(pid), *family(pid)]
    running = RunningS3()
    running.url = url
    client(running, "sandbox", "sandbox-secret").put_object(Bucket="lake", Key="kept", Body=b"1")

    starter.kill()
    starter.communicate()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []

    with RunningS3(args=("--data", str(tmp_path))) as again:
        found = client(again, "sandbox", "sandbox-secret").get_object(Bucket="lake", Key="kept")
        assert found["Body"].read() == b"1"
        children = family(again.pid)
        os.kill(again.pid, signal.SIGKILL)  # it cannot even say goodbye
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []


def test_a_server_that_cannot_start_is_an_error(s3: RunningS3) -> None:
    port = s3.url.rpartition(":")[2]  # taken
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="did not start"), RunningS3(args=("--port", port)):
        pass
    assert time.monotonic() - began < 30


def test_nothing_is_left_in_the_folder_of_temporary_files(s3: RunningS3) -> None:
    """What a server of the same port has left, because it was killed, is not ours."""

    def sockets() -> set[str]:
        return {path.name for path in Path("/tmp").glob("seaweedfs-*")}

    before = sockets()
    with RunningS3() as another:
        ports = [connection.laddr.port for one in family(another.pid) for connection in one.net_connections("inet")]
    left = [name for name in sockets() - before if any(str(port) in name for port in ports)]
    assert left == []
    assert s3.pid
