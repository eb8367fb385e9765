# SPDX-License-Identifier: Apache-2.0
"""Lakes for tests: a folder, or a prefix of a real S3 bucket that nobody has used, reached directly or through a faulty proxy."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.lake.location import Keys, Lake, S3Access
from airflow_provider_replicator.sandbox.s3.running import RunningS3
from tests.lake.faulty_s3 import FaultyS3
from tests.lake.killable import Killable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_numbers = count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[RunningS3]:
    """SeaweedFS; started by the first test that needs it."""
    with RunningS3() as running:
        yield running


@pytest.fixture
def new_s3_lake(s3_server: RunningS3) -> Callable[..., Lake]:
    """Makes a lake at a new prefix; ``endpoint_url`` and ``keys`` may be others than the server's."""

    def make(*, endpoint_url: str | None = None, keys: Callable[[], Keys] | None = None) -> Lake:
        fixed = Keys(s3_server.access_key, s3_server.secret_key)
        access = S3Access(
            region=s3_server.region, keys=keys or (lambda: fixed), endpoint_url=endpoint_url or s3_server.url
        )
        return Lake(f"s3://{s3_server.bucket}/test-{next(_numbers)}", access)

    return make


@pytest.fixture
def s3_lake(new_s3_lake: Callable[..., Lake]) -> Lake:
    """A lake on S3 with nothing in it."""
    return new_s3_lake()


@pytest.fixture
def local_lake(tmp_path: Path) -> Lake:
    """A lake in a folder with nothing in it."""
    return Lake(f"file://{tmp_path}/lake")


@pytest.fixture(scope="module")
def killable() -> Iterator[Killable]:
    """Runs engines in processes that die where they are told to."""
    with Killable() as process:
        yield process


@pytest.fixture(scope="session")
def _faulty(s3_server: RunningS3) -> Iterator[FaultyS3]:
    with FaultyS3(s3_server.url) as proxy:
        yield proxy


@pytest.fixture
def faulty_s3(_faulty: FaultyS3) -> Iterator[FaultyS3]:
    """A proxy in front of the server, without faults until the test adds some."""
    _faulty.clear()
    yield _faulty
    _faulty.clear()


@pytest.fixture
def faulty_lake(faulty_s3: FaultyS3, new_s3_lake: Callable[..., Lake]) -> Lake:
    """A lake on S3 whose requests go through ``faulty_s3``."""
    return new_s3_lake(endpoint_url=faulty_s3.url)
