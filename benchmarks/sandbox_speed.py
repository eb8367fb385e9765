# SPDX-License-Identifier: Apache-2.0
"""How fast the sandbox is: one server process, raw sockets as client, so that the client costs nothing worth measuring.

    python -m benchmarks.sandbox_speed [--assets 100000]

The sandbox must not be the bottleneck of any other benchmark here; these are its own figures. Requests carry 1 000 objects.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from http.client import HTTPConnection
from typing import Any

import orjson
import psutil

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from benchmarks import sandbox_streams

PROJECT = "/api/v1/projects/source"
PAGE = 1000
#: label, count, seconds, CPU seconds of the server, bytes over the wire
Row = tuple[str, int, float, float, int]


class Client:
    """One keep-alive connection. Bodies go out as given and come back as bytes."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._connection = HTTPConnection("127.0.0.1", sandbox.port)
        self._server = psutil.Process(sandbox.pid)
        self._headers = {"authorization": "Bearer sandbox", "content-type": "application/json"}
        self.bytes = 0

    def server_seconds(self) -> float:
        """CPU time that the server has used so far."""
        times = self._server.cpu_times()
        return float(times.user + times.system)

    def post(self, path: str, body: bytes, **headers: str) -> bytes:
        self._connection.request("POST", PROJECT + path, body, {**self._headers, **headers})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{path}: {response.status} {answer[:200]!r}")
        self.bytes += len(answer) + len(body)
        return answer


def assets(count: int) -> list[bytes]:
    """Create requests of 1 000 assets, about 480 bytes an asset, in one tree of depth 3."""
    requests = []
    for start in range(0, count, PAGE):
        items = [asset(n) for n in range(start, min(start + PAGE, count))]
        requests.append(orjson.dumps({"items": items}))
    return requests


def asset(n: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "externalId": f"WMT:AREA-{n:09d}",
        "name": f"23-{n:07d}",
        "description": "VRD - PH 1STSTGCOMP SEAL GAS HTR, first stage, spare part of the compressor train",
        "source": "maintenance",
        "metadata": {
            "ELC_STATUS_ID": "1211",
            "RES_ID": f"{n:012d}",
            "SOURCE_DB": "workmate",
            "SOURCE_TABLE": "wmate_dba.wmt_tag",
            "WMT_CATEGORY_ID": "1116",
            "WMT_SAFETYCRITICALELEMENT_ID": "1060",
            "WMT_TAG_CREATED_DATE": "2009-06-26 15:36:37",
            "WMT_TAG_DESC": "VRD - PH 1STSTGCOMP SEAL",
        },
    }
    if n:
        item["parentExternalId"] = f"WMT:AREA-{0 if n < 100 else n % 100:09d}"
    return item


def timed(label: str, run: Callable[[], int], client: Client) -> Row:
    """``per CPU second`` in the table is what the server alone can do: it hardly depends on what else the machine is doing."""
    client.bytes, cpu = 0, client.server_seconds()
    started = time.perf_counter()
    count = run()
    seconds = time.perf_counter() - started
    return label, count, seconds, client.server_seconds() - cpu, client.bytes


def store(client: Client, path: str, requests: Iterable[bytes]) -> int:
    return sum(client.post(path, request).count(b'"lastUpdatedTime"') for request in requests)


def listed(client: Client, path: str, **query: Any) -> int:
    """Follow the cursors to the end; only the tail of each page is looked at."""
    cursor, pages = None, 0
    answer = b""
    while pages == 0 or cursor:
        answer = client.post(path, orjson.dumps({"limit": PAGE, "cursor": cursor, **query}))
        pages += 1
        _, found, tail = answer.rpartition(b'],"nextCursor":"')
        cursor = tail[:-2].decode() if found else None
    last = len(orjson.loads(answer)["items"])
    return (pages - 1) * PAGE + last


def retrieved(client: Client, names: list[str]) -> int:
    for start in range(0, len(names), PAGE):
        items = [{"externalId": name} for name in names[start : start + PAGE]]
        client.post("/assets/byids", orjson.dumps({"items": items}))
    return len(names)


def measure_assets(client: Client, count: int) -> list[Row]:
    requests = assets(count)
    names = [asset(n)["externalId"] for n in range(count)]
    rows = [timed("assets stored", lambda: store(client, "/assets", requests), client)]
    rows.append(timed("assets listed", lambda: listed(client, "/assets/list"), client))
    rows.append(
        timed("assets listed, 1 of 10 partitions", lambda: listed(client, "/assets/list", partition="1/10"), client)
    )
    window = {"lastUpdatedTime": {"min": 0}}
    rows.append(
        timed("assets listed by lastUpdatedTime", lambda: listed(client, "/assets/list", filter=window), client)
    )
    equal = {"metadata": {"SOURCE_DB": "workmate"}}
    rows.append(timed("assets listed by metadata", lambda: listed(client, "/assets/list", filter=equal), client))
    rows.append(timed("assets by external id", lambda: retrieved(client, names), client))
    return rows


def single_requests(client: Client, count: int) -> int:
    body = orjson.dumps({"filter": {"metadata": {"RES_ID": f"{count:012d}"}}, "limit": 1})
    for _ in range(count):
        client.post("/assets/list", body)
    return count


def show(rows: list[Row]) -> None:
    print(f"{'what':42} {'count':>10} {'seconds':>8} {'per second':>12} {'per CPU second':>15} {'MB/s':>7}")
    for label, count, seconds, cpu, size in rows:
        rates = f"{count / seconds:>12,.0f} {count / max(cpu, 0.01):>15,.0f} {size / seconds / 1e6:>7.0f}"
        print(f"{label:42} {count:>10,} {seconds:>8.2f} {rates}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=100_000)
    options = parser.parse_args()
    with RunningSandbox(projects=("source",)) as sandbox:
        client = Client(sandbox)
        rows = measure_assets(client, options.assets)
        rows.append(timed("requests of one asset, by metadata", lambda: single_requests(client, 2000), client))
        streams = sandbox_streams.measure(sandbox)
    show(rows)
    sandbox_streams.show(streams)


if __name__ == "__main__":
    main()
