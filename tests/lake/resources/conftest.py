# SPDX-License-Identifier: Apache-2.0
"""One sandbox CDF for all tests of resources in the lake; every test gets a project that nobody has used."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.lake.location import Lake
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.acceptance.projects import Project
from tests.lake.resources.exports import Exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_numbers = count()


@pytest.fixture(scope="session")
def resources_sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=[f"p{number}" for number in range(200)]) as running:
        yield running


@pytest.fixture
def exports_to(resources_sandbox: RunningSandbox) -> Iterator[Callable[[Lake], Exports]]:
    """A new project, and any lake."""
    yield lambda lake: Exports(Project(resources_sandbox, f"p{next(_numbers)}"), lake)
    resources_sandbox.control.clear_faults()
    resources_sandbox.control.resume()
    resources_sandbox.control.settings(short_pages=0, commit_delay_ms=0)


@pytest.fixture
def new_lake(tmp_path: Path) -> Callable[[], Lake]:
    """Makes a new folder at each call."""
    numbers = count()
    return lambda: Lake(f"file://{tmp_path}/lake-{next(numbers)}")


@pytest.fixture
def exports(exports_to: Callable[[Lake], Exports], local_lake: Lake) -> Exports:
    """A new project and a new folder."""
    return exports_to(local_lake)
