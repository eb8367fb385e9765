# SPDX-License-Identifier: Apache-2.0
"""One sandbox and one interpreter of the peer for all its tests; every test gets projects that nobody has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.conftest import _numbers as _numbers
from tests.acceptance.conftest import project as project
from tests.acceptance.conftest import sandbox as sandbox
from tests.acceptance.projects import Pair, Project
from tests.peer.running import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

HOUR = 3_600_000


@pytest.fixture(scope="session")
def peer(sandbox: RunningSandbox) -> Iterator[Peer]:
    with Peer(sandbox) as running:
        yield running


@pytest.fixture
def pair(project: Callable[[], Project], sandbox: RunningSandbox) -> Iterator[Pair]:
    """What the test writes was changed an hour ago: the peer compares that with its own clock, in whole seconds."""
    control = sandbox.control
    control.resume()
    control.freeze(control.now_ms() - HOUR)
    yield Pair(project(), project())
    control.resume()


@pytest.fixture
def edited_later(pair: Pair) -> Callable[[], None]:
    """From this call on the source is changed after any run of the peer."""
    return lambda: pair.source.sandbox.control.advance(2 * HOUR)
