# SPDX-License-Identifier: Apache-2.0
"""Objects that are replaced only if they are still what was read, and folders of them: the same on S3 and in a folder."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.lake.objects import Objects
    from tests.lake.faulty_s3 import FaultyS3


@pytest.fixture(params=["local_lake", "s3_lake"])
def objects(request: pytest.FixtureRequest) -> Objects:
    lake: Lake = request.getfixturevalue(request.param)
    return lake.objects()


def tag_of(objects: Objects, key: str) -> str:
    found = objects.get_tagged(key)
    assert found is not None
    return found[1]


def test_only_what_was_seen_is_replaced(objects: Objects) -> None:
    assert objects.get_tagged("a/k") is None
    assert not objects.put_if_same("a/k", b"two", '"0123"')
    objects.put("a/k", b"one")
    assert objects.get_tagged("a/k") == (b"one", tag_of(objects, "a/k"))
    seen = tag_of(objects, "a/k")
    assert objects.put_if_same("a/k", b"two", seen)
    assert objects.put_if_same("a/k", b"two", seen)  # as after a lost answer
    assert not objects.put_if_same("a/k", b"three", seen)
    assert objects.get("a/k") == b"two"
    assert tag_of(objects, "a/k") != seen


def test_of_many_at_once_one_replaces(objects: Objects) -> None:
    objects.put("k", b"zero")
    seen = tag_of(objects, "k")
    ready = threading.Barrier(6)

    def replace(number: int) -> bool:
        ready.wait(10)
        return objects.put_if_same("k", f"writer {number}".encode(), seen)

    with ThreadPoolExecutor(6) as threads:
        replaced = list(threads.map(replace, range(6)))
    assert replaced.count(True) == 1
    assert objects.get("k") == f"writer {replaced.index(True)}".encode()


def test_a_lost_answer_to_a_replacement_is_no_conflict(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    objects = faulty_lake.objects()
    objects.put("k", b"one")
    seen = tag_of(objects, "k")
    fault = faulty_s3.fault("PUT .*/k", "lose")
    assert objects.put_if_same("k", b"two", seen)
    assert fault.happened == 1
    assert objects.get("k") == b"two"


def test_folders_are_one_level(objects: Objects) -> None:
    for key in ("t/a/x/1", "t/a/x/2", "t/b-c/y", "t/file", "u/z"):
        objects.put(key, b"1")

    def found(prefix: str) -> list[str]:
        return sorted(objects.folders(prefix))

    assert found("t/") == ["a", "b-c"]
    assert found("t/a/") == ["x"]
    assert found("") == ["t", "u"]
    assert found("nothing/") == []


def test_a_copy_is_apart_from_what_was_copied(objects: Objects) -> None:
    objects.put("one", b"1")
    objects.copy("one", "two")
    objects.copy("one", "two")
    objects.put("one", b"another")
    assert objects.get("two") == b"1"
    objects.delete(["one"])
    assert objects.get("two") == b"1"
    assert sorted(found.key for found in objects.list("")) == ["two"]
