# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.replicator.asking import Couch

_numbers = itertools.count(1)
#: a second of CouchDB's is a fiftieth of ours, and jobs begin at once
_DEFAULTS = {"interval": "10000", "startup_jitter": "0", "max_jobs": "500", "health_threshold": "120"}


@dataclass(frozen=True)
class Pair:
    """Two new databases, and the body of a job between them."""

    source: str
    target: str
    job: dict[str, Any]


@pytest.fixture(scope="session")
def running() -> Iterator[RunningCouch]:
    with RunningCouch(args=("--time-scale", "0.02")) as server:
        yield server


@pytest.fixture
def couch(running: RunningCouch) -> Iterator[Couch]:
    """Shared by all tests: what a test asks for is stopped and switched back, its databases stay."""
    couch = Couch(running)
    for key, value in _DEFAULTS.items():
        couch.configure(key, value)
    yield couch
    running.control.clear_faults()
    running.control.unlock()
    for row in couch.call("GET", "/_replicator/_all_docs")["rows"]:
        couch.remove(row["id"])
    couch.close()


@pytest.fixture
def pair(couch: Couch) -> Pair:
    return new_pair(couch)


def new_pair(couch: Couch) -> Pair:
    number = next(_numbers)
    source, target = f"source{number}", f"target{number}"
    couch.make(source, target)
    return Pair(source, target, {"source": couch.end(source), "target": couch.end(target)})
