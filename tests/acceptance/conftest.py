# SPDX-License-Identifier: Apache-2.0
"""One sandbox for all acceptance tests; every test gets projects that nobody has used."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.acceptance.projects import Pair, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = 1500


@pytest.fixture(scope="session")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=[f"p{n}" for n in range(TESTS)]) as running:
        yield running


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count()


@pytest.fixture
def project(sandbox: RunningSandbox, _numbers: Iterator[int]) -> Iterator[Callable[[], Project]]:
    """Makes a new, empty project at each call."""
    yield lambda: Project(sandbox, f"p{next(_numbers)}")
    sandbox.control.clear_faults()


@pytest.fixture
def pair(project: Callable[[], Project]) -> Pair:
    return Pair(project(), project())
