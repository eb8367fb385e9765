# SPDX-License-Identifier: Apache-2.0
"""What is replicated in the benchmarks, and how it gets into the source project: plain HTTP, no code of the provider."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Objects of one benchmark hang on so many assets, as events and series of one plant do.
ANCHORS = 100
#: Bytes of one numeric point in protobuf: two bytes of frame, 1 + 6 of timestamp, 1 + 8 of value.
POINT_BYTES = 18


class Seeder:
    """Writes to one project of the sandbox."""

    def __init__(self, host: str, port: int, token: str, project: str) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=120)
        self._prefix = f"/api/v1/projects/{project}"
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/json"}

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        """Send one request; anything but success ends the benchmark, because its figures would mean nothing."""
        headers = {**self._headers, "content-type": content_type}
        self._connection.close()  # a kept-alive connection may have been closed by the server while a job ran
        self._connection.request("POST", self._prefix + path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"seeding {path}: {answer.status} {text[:300]!r}")
        return text

    def create(self, path: str, items: list[dict[str, Any]], size: int = 1000) -> list[int]:
        """Create in batches; returns the new ids in order (rows have none)."""
        ids: list[int] = []
        for start in range(0, len(items), size):
            answer = orjson.loads(self.post(path, orjson.dumps({"items": items[start : start + size]})))
            ids.extend(item["id"] for item in answer.get("items", ()) if "id" in item)
        return ids

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Workload:
    """``objects`` is what the rates are computed from; ``minimum`` the requests of an ideal first load (both sides)."""

    name: str
    resource: str
    objects: int
    minimum: int
    seed: Callable[[Seeder], None]
    #: what has to be in the target already, given the seeders of both sides
    prepare: Callable[[Seeder, Seeder], None] | None = None
    #: the second, unchanged run is measured as well
    repeat: bool = False


def _metadata(i: int) -> dict[str, str]:
    return {f"key{k}": f"value {i % 97} of attribute {k}" for k in range(6)}


def anchors(seeder: Seeder) -> list[int]:
    """A root and its children that events and series are linked to."""
    items: list[dict[str, Any]] = [{"externalId": "anchor-0", "name": "plant"}]
    items += [
        {"externalId": f"anchor-{i}", "name": f"unit {i}", "parentExternalId": "anchor-0"} for i in range(1, ANCHORS)
    ]
    return seeder.create("/assets", items)


def seed_assets(seeder: Seeder, count: int = 4000) -> None:
    """A tree of depth 4 (root = 0): fan-out 8 below the root, so that all levels are there."""
    items: list[dict[str, Any]] = []
    for i in range(count):
        item: dict[str, Any] = {
            "externalId": f"asset-{i}",
            "name": f"equipment {i}",
            "description": f"pump, valve or vessel number {i}",
            "metadata": _metadata(i),
            "source": "benchmark",
        }
        if i:
            item["parentExternalId"] = f"asset-{(i - 1) // 8}"
        items.append(item)
    seeder.create("/assets", items)


def seed_events(seeder: Seeder, count: int = 50_000) -> None:
    ids = anchors(seeder)
    seeder.create(
        "/events",
        [
            {
                "externalId": f"event-{i}",
                "startTime": 1_600_000_000_000 + i * 60_000,
                "endTime": 1_600_000_000_000 + i * 60_000 + 3_600_000,
                "type": "workorder",
                "subtype": f"kind {i % 9}",
                "description": f"inspection of unit {i % ANCHORS}",
                "metadata": _metadata(i),
                "assetIds": [ids[i % ANCHORS]],
            }
            for i in range(count)
        ],
    )


def seed_time_series(seeder: Seeder, count: int = 20_000) -> None:
    ids = anchors(seeder)
    seeder.create(
        "/timeseries",
        [
            {
                "externalId": f"series-{i}",
                "name": f"sensor {i}",
                "unit": "bar",
                "description": f"pressure at {i}",
                "metadata": _metadata(i),
                "assetId": ids[i % ANCHORS],
                "isString": False,
                "isStep": False,
            }
            for i in range(count)
        ],
    )


def replicated_anchors(source: Seeder, target: Seeder) -> None:
    """The anchors as an earlier run of either tool would have left them, so that links can be mapped."""
    page = orjson.loads(source.post("/assets/list", b'{"limit":1000}'))["items"]
    stamp = str(int(time.time()) * 1000)
    items = [
        {
            "externalId": asset["externalId"],
            "name": asset["name"],
            "metadata": {
                "_replicatedSource": "source",
                "_replicatedTime": stamp,
                "_replicatedInternalId": str(asset["id"]),
            },
            **({"parentExternalId": "anchor-0"} if asset["externalId"] != "anchor-0" else {}),
        }
        for asset in page
        if asset["externalId"].startswith("anchor-")
    ]
    target.create("/assets", sorted(items, key=lambda item: item["externalId"] != "anchor-0"))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_points(external_id: str, timestamps: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> bytes:
    """One protobuf insertion request of a numeric series; timestamps between 2^35 and 2^42 ms (1971 to 2109)."""
    records = np.zeros((len(timestamps), POINT_BYTES), dtype=np.uint8)
    records[:, 0], records[:, 1], records[:, 2], records[:, 9] = 0x0A, 16, 0x08, 0x11
    for byte in range(6):
        records[:, 3 + byte] = (timestamps >> (7 * byte)) & 0x7F | (0x80 if byte < 5 else 0)
    records[:, 10:] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
    points = records.tobytes()
    name = external_id.encode()
    item = b"\x12" + _varint(len(name)) + name + b"\x1a" + _varint(len(points)) + points
    return b"\x0a" + _varint(len(item)) + item


def point_blocks(count: int, first: int, step: int) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Blocks of at most 100 000 points: a random walk, reproducible."""
    random = np.random.default_rng(7)
    for start in range(0, count, 100_000):
        size = min(100_000, count - start)
        timestamps = first + step * np.arange(start, start + size, dtype=np.int64)
        yield timestamps, np.cumsum(random.normal(size=size)) + 1e-3


def seed_points(seeder: Seeder, series: int, points: int, step: int) -> None:
    """Numeric series that end about now, so that the peer, which copies five weeks on a first load, copies all of them."""
    first = int(time.time() * 1000) - points * step - 60_000
    seeder.create("/timeseries", series_definitions(series))
    for name in (f"series-{i}" for i in range(series)):
        for timestamps, values in point_blocks(points, first, step):
            seeder.post("/timeseries/data", encode_points(name, timestamps, values), "application/protobuf")


def series_definitions(count: int) -> list[dict[str, Any]]:
    return [{"externalId": f"series-{i}", "name": f"sensor {i}", "isString": False} for i in range(count)]


def same_series(source: Seeder, target: Seeder) -> None:
    """The series of the source, in the target, without points, as an earlier run of either tool would have left them."""
    page = orjson.loads(source.post("/timeseries/list", b'{"limit":1000}'))["items"]
    target.create("/timeseries", series_definitions(len(page)))


def seed_raw(seeder: Seeder, count: int = 100_000) -> None:
    rows = [
        {"key": f"row-{i:07d}", "columns": {f"column{c}": f"value {i} {c}" for c in range(8)} | {"n": i, "x": i / 7}}
        for i in range(count)
    ]
    for start in range(0, count, 10_000):
        seeder.post(
            "/raw/dbs/benchmark/tables/rows/rows?ensureParent=true",
            orjson.dumps({"items": rows[start : start + 10_000]}),
        )


WORKLOADS = (
    Workload("4 000 assets, depth 4", "assets", 4000, 8, seed_assets, repeat=True),
    Workload("50 000 events", "events", 50_000, 100, seed_events, replicated_anchors, repeat=True),
    Workload("20 000 time series", "time_series", 20_000, 40, seed_time_series, replicated_anchors, repeat=True),
    Workload(
        "10 series x 100 000 points",
        "datapoints",
        1_000_000,
        20,
        lambda seeder: seed_points(seeder, 10, 100_000, 25_000),
        same_series,
    ),
    Workload("100 000 raw rows", "raw", 100_000, 21, seed_raw),
)


def bulk_points(points: int) -> Workload:
    """One long series, for speed and memory without a peer."""
    return Workload(
        f"1 series x {points // 1_000_000} million points",
        "datapoints",
        points,
        2 * (points // 100_000),
        lambda seeder: seed_points(seeder, 1, points, 1000),
        same_series,
    )
