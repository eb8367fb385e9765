# SPDX-License-Identifier: Apache-2.0
"""One sandbox CDF for all tests of datapoints in the lake; every test gets a project that nobody has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cdf.streams import new_pair, sandbox
from tests.lake.datapoints.tables import Exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.lake.location import Lake
    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox


@pytest.fixture(scope="session")
def points_sandbox() -> Iterator[RunningSandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture
def exports(points_sandbox: RunningSandbox, local_lake: Lake) -> Iterator[Exports]:
    """A project and a folder."""
    yield Exports(new_pair(points_sandbox), local_lake)
    points_sandbox.control.clear_faults()


@pytest.fixture
def exports_to(points_sandbox: RunningSandbox) -> Callable[[Lake], Exports]:
    """The same with any lake."""
    return lambda lake: Exports(new_pair(points_sandbox), lake)
