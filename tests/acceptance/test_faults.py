# SPDX-License-Identifier: Apache-2.0
"""Every kind of fault on every write path: the run succeeds, the target ends equal to the source, nothing is doubled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Pair

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429},
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after": 0.01},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503, three times": {"kind": "status", "status": 503, "times": 3},
    "504": {"kind": "status", "status": 504},
    "400 that may be retried": {"kind": "status", "status": 400, "auto_retryable": True},
    "500 after commit": {"kind": "status_after_commit", "status": 500},
    "503 after commit, twice": {"kind": "status_after_commit", "status": 503, "times": 2},
    "reset": {"kind": "reset"},
    "reset after commit": {"kind": "reset_after_commit"},
    "truncated body": {"kind": "truncated_body"},
    "slow body": {"kind": "slow_body", "seconds": 0.2},
    "delay": {"kind": "delay", "seconds": 0.2},
}
DAY = 86_400_000
ROWS = "/raw/dbs/db/tables/t/rows"


def fill(pair: Pair) -> None:
    """A source with a bit of everything."""
    source = pair.source
    data_set = source.create("/datasets", {"externalId": "d", "name": "d"}, {"name": "without external id"})[0]
    source.create("/labels", {"externalId": "l", "name": "l"})
    root = source.create("/assets", {"externalId": "root", "name": "r", "labels": [{"externalId": "l"}]})[0]
    source.create("/assets", *({"externalId": f"a{n}", "name": "x", "parentId": root["id"]} for n in range(3)))
    source.create("/assets", {"name": "without external id", "parentId": root["id"], "dataSetId": data_set["id"]})
    source.create(
        "/events", *({"externalId": f"e{n}", "assetIds": [root["id"]]} for n in range(3)), {"type": "nameless"}
    )
    source.create("/timeseries", {"externalId": "s", "assetId": root["id"]}, {"externalId": "text", "isString": True})
    source.insert("s", *((n * DAY, n * 1.5) for n in range(50)))
    source.insert("text", (0, "a"), (DAY, "b"))
    rows = [{"key": f"r{n}", "columns": {"n": n}} for n in range(20)]
    source.call("POST", f"{ROWS}?ensureParent=true", {"items": rows})
    source.call("POST", "/raw/dbs/db/tables", {"items": [{"name": "empty"}]})
    source.call("POST", "/raw/dbs", {"items": [{"name": "bare"}]})


def change(pair: Pair) -> None:
    """Something of everything is edited and something is deleted."""
    source = pair.source
    for path in ("/datasets", "/assets", "/events", "/timeseries"):
        doc = next(doc for doc in source.all(path) if doc.get("externalId") in ("d", "a0", "e0", "s"))
        source.update(path, doc, description={"set": "changed"})
    source.call("POST", "/labels/delete", {"items": [{"externalId": "l"}]})
    source.create("/labels", {"externalId": "l", "name": "renamed"})
    for path, key in (("/assets", "a1"), ("/events", "e1")):
        source.delete(path, source.by_key(path)[key])
    source.insert("s", (3 * DAY, 99.0))
    gone = {"externalId": "s", "inclusiveBegin": 10 * DAY, "exclusiveEnd": 20 * DAY}
    source.call("POST", "/timeseries/data/delete", {"items": [gone]})
    source.call("POST", f"{ROWS}/delete", {"items": [{"key": "r3"}]})
    source.call("POST", ROWS, {"items": [{"key": "r4", "columns": {"n": "four"}}]})


OBJECTS = ("data_sets", "labels", "assets", "events", "time_series")


def replicate(pair: Pair) -> None:
    pair.replicate(*OBJECTS, delete_missing=True, max_delete_fraction=0.5)
    pair.replicate_points(mode="window", window=Window(-DAY, 100 * DAY))
    pair.replicate_rows(delete_missing=True, max_delete_fraction=0.5)


def nothing(_: Pair) -> None:
    """The write paths of a first load."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path that is written to when the target is filled, or when it holds the source as it was before ``changed``."""

    path: str
    changed: Callable[[Pair], None] = change


PATHS = [
    Path("/datasets", nothing),
    Path("/labels", nothing),
    Path("/assets", nothing),
    Path("/events", nothing),
    Path("/timeseries", nothing),
    Path("/timeseries/data", nothing),
    Path("/raw/dbs", nothing),
    Path("/raw/dbs/db/tables", nothing),
    Path(ROWS, nothing),
    Path("/datasets/update"),
    Path("/labels/delete"),
    Path("/labels"),
    Path("/assets/update"),
    Path("/assets/delete"),
    Path("/events/update"),
    Path("/events/delete"),
    Path("/timeseries/update"),
    Path("/timeseries/data"),
    Path("/timeseries/data/delete"),
    Path(ROWS),
    Path(f"{ROWS}/delete"),
]


def _path_id(path: Path) -> str:
    return f"{path.path} {'first load' if path.changed is nothing else 'change'}"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", PATHS, ids=_path_id)
def test_a_fault_on_a_write_path(pair: Pair, path: Path, fault: str) -> None:
    fill(pair)
    if path.changed is not nothing:
        replicate(pair)
        path.changed(pair)
    control = pair.source.sandbox.control
    control.fault(project=pair.target.name, method="POST", path=path.path, **FAULTS[fault])
    replicate(pair)
    (rule,) = control.faults()
    assert rule["happened"] == FAULTS[fault].get("times", 1), "the fault has to hit something"
    pair.verify(*OBJECTS, "datapoints", "raw")
    for collection in ("/datasets", "/labels", "/assets", "/events", "/timeseries"):
        assert len(pair.target.all(collection)) == len(pair.source.all(collection)), "nothing is doubled"
