# SPDX-License-Identifier: Apache-2.0
"""Plain objects: S3 and folders keep the same promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.exceptions import LakeAccessError, LakeError
from airflow_provider_replicator.lake.location import Keys, Lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.lake.objects import Objects
    from tests.lake.faulty_s3 import FaultyS3


@pytest.fixture(params=["local_lake", "s3_lake"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def objects(lake: Lake) -> Objects:
    return lake.objects()


def keys(objects: Objects, prefix: str) -> list[str]:
    return sorted(found.key for found in objects.list(prefix))


def test_put_get_and_replace(objects: Objects) -> None:
    assert objects.get("a/b.json") is None
    objects.put("a/b.json", b"one")
    assert objects.get("a/b.json") == b"one"
    objects.put("a/b.json", b"")
    assert objects.get("a/b.json") == b""


def test_only_the_first_creates_and_a_repeated_put_is_the_same_put(objects: Objects) -> None:
    assert objects.put_if_absent("k", b"one")
    assert objects.put_if_absent("k", b"one")  # as after a lost answer
    assert not objects.put_if_absent("k", b"two")
    assert objects.get("k") == b"one"


def test_of_many_at_once_one_creates(objects: Objects) -> None:
    ready = threading.Barrier(6)

    def create(number: int) -> bool:
        ready.wait(10)
        return objects.put_if_absent("k", f"writer {number}".encode())

    with ThreadPoolExecutor(6) as threads:
        created = list(threads.map(create, range(6)))
    assert created.count(True) == 1
    assert objects.get("k") == f"writer {created.index(True)}".encode()


def test_listing_is_by_prefix(objects: Objects) -> None:
    names = ["t/a-b", "t/a/x", "t/a.x", "t/a0", "t/aé", "t/a/y/z", "u/1", "t2/1"]
    for name in names:
        objects.put(name, name.encode())
    assert keys(objects, "t/") == sorted(name for name in names if name.startswith("t/"))
    assert keys(objects, "t/a/") == ["t/a/x", "t/a/y/z"]
    assert keys(objects, "t") == sorted(name for name in names if name.startswith("t"))
    assert keys(objects, "") == sorted(names)
    assert keys(objects, "nothing/") == []
    found = next(iter(objects.list("u/")))
    assert (found.key, found.size, found.modified.tzinfo is not None) == ("u/1", 3, True)


def test_listing_and_deleting_go_beyond_a_page(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_replicator.lake.objects._PAGE", 5)
    for number in range(12):
        objects.put(f"many/{number:04}", b"x")
    assert len(keys(objects, "many/")) == 12
    objects.delete(keys(objects, "many/"))
    assert keys(objects, "many/") == []


def test_deleting_what_is_not_there_is_fine(objects: Objects) -> None:
    objects.put("a", b"1")
    objects.delete(["a", "b/c", "a"])
    objects.delete([])
    assert objects.get("a") is None


@pytest.mark.parametrize("whole", [False, True])
def test_upload_and_copy_replace_whole_objects(objects: Objects, tmp_path: Path, whole: bool) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 2_000_000)  # more than one part
    with file.open("rb") as opened:
        objects.upload("v/1.parquet", opened, whole=file if whole else None)
        assert opened.closed or not opened.read(), "read to its end"
    objects.put("stable.parquet", b"old")
    objects.copy("v/1.parquet", "stable.parquet")
    assert objects.get("stable.parquet") == file.read_bytes()
    assert keys(objects, "") == ["stable.parquet", "v/1.parquet"]
    with pytest.raises(LakeError):
        objects.copy("v/2.parquet", "stable.parquet")
    assert objects.get("stable.parquet") == file.read_bytes()


def test_a_folder_shows_no_halves(local_lake: Lake, tmp_path: Path) -> None:
    objects = local_lake.objects()
    objects.put("a/b", b"1")
    (tmp_path / "lake/a/.tmp-0123").write_bytes(b"killed in the middle of a put")
    assert keys(objects, "a/") == ["a/b"]


def test_refusals_of_s3_are_no_reason_to_retry(
    new_s3_lake: Callable[..., Lake], faulty_s3: FaultyS3, s3_lake: Lake
) -> None:
    assert s3_lake.access is not None
    with pytest.raises(LakeAccessError, match=r"write k: .*InvalidAccessKeyId"):
        new_s3_lake(keys=lambda: Keys("nobody", "a-secret-key")).objects().put("k", b"1")
    with pytest.raises(LakeAccessError, match="SignatureDoesNotMatch") as wrong:
        new_s3_lake(keys=lambda: Keys("sandbox", "a-secret-key")).objects().put("k", b"1")
    assert "a-secret-key" not in str(wrong.value)
    with pytest.raises(LakeAccessError, match="NoSuchBucket"):
        Lake("s3://no-such-bucket/x", s3_lake.access).objects().get("k")
