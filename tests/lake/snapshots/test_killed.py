# SPDX-License-Identifier: Apache-2.0
"""SIGKILL before and after every effect of a run, then another run: a reader of the manifest never sees anything but one moment."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.lake.location import Lake
from airflow_provider_replicator.lake.objects import S3Objects
from tests.lake.snapshots.killed_run import long_ago
from tests.lake.snapshots.making import everything, manifest, numbers, run, stable, versioned, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.sandbox.s3.running import RunningS3

    Killer = Callable[..., str]

TABLES = ["resources/a", "resources/b"]


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    """Publishes in a process of its own that may be killed; the answer is how it ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.lake.snapshots.killed_run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(**asked: Any) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"tables": TABLES, "lease": 30.0, "kill": None, **asked}) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield ask
        process.stdin.close()


def prepare(lake: Lake) -> None:
    """Two snapshots of three tables were published, and then all tables changed: the next run has something of everything to do."""
    for version in (1, 2, 3):
        for table in ("a", "b", "c"):
            write(lake, f"resources/{table}", numbers(version))
        if version < 3:
            run(lake, [*TABLES, "resources/c"], keep_versions=1)


def check_reader(lake: Lake) -> int:
    """What the manifest names is there, whole, and of one moment; returns which."""
    found = manifest(lake)
    moments = set()
    for name, table in found["tables"].items():
        file = table["files"]["parquet"]
        content = lake.objects().get(file["versioned_key"])
        assert content is not None, f"{name} is named by the manifest, and is not there"
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        moments.add(versioned(lake, name).height)
    assert len(moments) == 1
    return int(moments.pop())


def check_nothing_is_left_over(lake: Lake) -> None:
    found = manifest(lake)
    assert set(everything(lake)) == {
        "publish/all/manifest.json",
        *(f"publish/all/{name}.parquet" for name in found["tables"]),
        *(f"publish/all/versions/{found['run']}/{name}.parquet" for name in found["tables"]),
        *(key for one in found["history"] for key in everything(lake) if f"/versions/{one}/" in key),
    }
    assert not [key for key in everything(lake) if key.endswith("_running")]
    for name in found["tables"]:
        assert stable(lake, name).equals(versioned(lake, name))


def test_killed_at_every_effect_and_run_again(killer: Killer, tmp_path: Path) -> None:
    prepared = Lake(f"file://{tmp_path}/prepared")
    prepare(prepared)
    published = []
    for number in count(1):
        for when in ("before", "after"):
            lake = Lake(f"file://{tmp_path}/{number}-{when}")
            shutil.copytree(tmp_path / "prepared", tmp_path / f"{number}-{when}")
            ended = killer(root=lake.root, kill=[number, when])
            if ended == "done":
                break
            assert ended == "killed"
            moment = check_reader(lake)
            published.append(moment)
            long_ago(lake.root)
            assert killer(root=lake.root, lease=1.0) == "done"
            assert check_reader(lake) == 3
            assert list(manifest(lake)["tables"]) == ["a", "b"]
            assert len(manifest(lake)["history"]) == 1
            check_nothing_is_left_over(lake)
            shutil.rmtree(tmp_path / f"{number}-{when}")
        else:
            continue
        break
    # Before the manifest was replaced the old moment, then the new one, and never back.
    assert published == sorted(published)
    assert set(published) == {2, 3}
    assert (
        len(published) >= 2 * 9
    )  # sign of life, two files, sign of life, two copies, manifest, sign of life removed, the rest


@pytest.mark.parametrize(("number", "when", "moment"), [(3, "after", 2), (6, "before", 2), (7, "after", 3)])
def test_killed_on_s3(killer: Killer, s3_lake: Lake, s3_server: RunningS3, number: int, when: str, moment: int) -> None:
    prepare(s3_lake)
    where = {"root": s3_lake.root, "region": s3_server.region, "endpoint_url": s3_server.url}
    keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
    assert killer(kill=[number, when], **where, **keys) == "killed"
    assert check_reader(s3_lake) == moment
    # The killed run is taken for dead when nothing was heard of it for a second: the next one waits for that, and cleans up.
    assert killer(lease=0.5, **where, **keys) == "done"
    assert check_reader(s3_lake) == 3
    check_nothing_is_left_over(s3_lake)


def test_what_a_killed_run_was_sending_is_removed(s3_lake: Lake) -> None:
    """Parts that were sent are invisible, and cost money."""
    write(s3_lake, "resources/a", numbers(3))
    objects = s3_lake.objects()
    assert isinstance(objects, S3Objects)
    where = {"Bucket": s3_lake.bucket, "Key": f"{s3_lake.prefix}/publish/all/versions/killed/a.parquet"}
    objects.put("publish/all/versions/killed/_running", b"1")
    begun = objects.client.create_multipart_upload(**where)["UploadId"]
    objects.client.upload_part(**where, UploadId=begun, PartNumber=1, Body=b"x" * 100)
    run(s3_lake, ["resources/a"], lease_seconds=0.2)
    check_nothing_is_left_over(s3_lake)
    there = objects.client.list_multipart_uploads(Bucket=s3_lake.bucket, Prefix=f"{s3_lake.prefix}/publish/")
    assert not there.get("Uploads")


def test_half_a_local_file_is_removed_with_its_run(local_lake: Lake) -> None:
    write(local_lake, "resources/a", numbers(3))
    folder = Path(local_lake.prefix, "publish/all/versions/killed")
    folder.mkdir(parents=True)
    for name in ("_running", ".tmp-0123"):
        (folder / name).write_bytes(b"1")
    long_ago(local_lake.root)
    run(local_lake, ["resources/a"])
    assert list(folder.iterdir()) == []


def test_the_first_run_of_all_is_killed(killer: Killer, tmp_path: Path) -> None:
    prepared = Lake(f"file://{tmp_path}/prepared")
    for table in TABLES:
        write(prepared, table, numbers(3))
    for number in (3, 5, 6):
        lake = Lake(f"file://{tmp_path}/{number}")
        shutil.copytree(tmp_path / "prepared", tmp_path / str(number))
        assert killer(root=lake.root, kill=[number, "after"]) == "killed"
        assert lake.objects().get("publish/all/manifest.json") is None
        long_ago(lake.root)
        assert killer(root=lake.root, lease=1.0) == "done"
        assert check_reader(lake) == 3
        check_nothing_is_left_over(lake)
