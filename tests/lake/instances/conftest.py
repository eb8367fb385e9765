# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.acceptance.projects import Project
from tests.lake.instances.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.lake.location import Lake

PROJECTS = 300
_numbers = count()


@pytest.fixture(scope="session")
def instances_sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=[f"i{n}" for n in range(PROJECTS)]) as running:
        yield running


@pytest.fixture
def world(instances_sandbox: RunningSandbox, local_lake: Lake) -> Iterator[World]:
    """A new project with a model and no instances, and an empty lake."""
    made = World(Project(instances_sandbox, f"i{next(_numbers)}"), local_lake)
    made.make_model()
    yield made
    instances_sandbox.control.clear_faults()
    instances_sandbox.control.resume()
    instances_sandbox.control.settings(short_pages=0, commit_delay_ms=0)
