# SPDX-License-Identifier: Apache-2.0
"""One sandbox for all tests of objects; every test gets projects that nobody has used."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.acceptance.projects import Pair, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECTS = 800


@pytest.fixture(scope="session")
def objects_sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=[f"p{n}" for n in range(PROJECTS)]) as running:
        yield running


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count()


@pytest.fixture
def project(objects_sandbox: RunningSandbox, _numbers: Iterator[int]) -> Iterator[Callable[[], Project]]:
    """Makes a new, empty project at each call."""
    yield lambda: Project(objects_sandbox, f"p{next(_numbers)}")
    objects_sandbox.control.clear_faults()
    objects_sandbox.control.settings(short_pages=0, commit_delay_ms=0)


@pytest.fixture
def pair(project: Callable[[], Project]) -> Pair:
    return Pair(project(), project())
