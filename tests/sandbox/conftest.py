# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.caller import Caller

NOW = 1_700_000_000_000


@pytest.fixture
def server() -> CdfServer:
    """In process, its clock standing still."""
    return CdfServer(["source", "target"], clock=Clock(at=NOW))


@pytest.fixture
def cdf(server: CdfServer) -> Caller:
    return Caller(server, "source")


@pytest.fixture(scope="session")
def _running() -> Iterator[RunningSandbox]:
    with RunningSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: RunningSandbox) -> Iterator[RunningSandbox]:
    """Over a real socket, shared by all tests: what a test switches is switched back, what it stores stays."""
    before = _running.control.settings()
    yield _running
    _running.control.clear_faults()
    _running.control.resume()
    _running.control.settings(**before)
    _running.control.reset_counters()


@pytest.fixture
def events(cdf: Caller) -> Caller:
    """e0 … e24: ``startTime`` n, three types, metadata on the even ones."""
    cdf.create(
        "/events",
        *(
            {
                "externalId": f"e{n}",
                "startTime": n,
                "type": f"T{n % 3}",
                "description": f"Pump number {n}",
                **({"metadata": {"Key": f"V{n % 4}", "n": str(n)}} if n % 2 == 0 else {}),
            }
            for n in range(25)
        ),
    )
    return cdf
