# SPDX-License-Identifier: Apache-2.0
"""How fast the sandbox serves and stores datapoints and raw rows. Part of `benchmarks.sandbox_speed`; also runs alone:

    python -m benchmarks.sandbox_streams [--points 20000000] [--rows 400000]

Two connections from two threads keep the server busy; the clients only send and receive bytes. The server's share of the
time is its CPU time, read from the operating system.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import numpy as np
import orjson
import psutil

from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.protobuf import length_field, text_field
from airflow_provider_replicator.sandbox.cdf.protobuf_points import encode_numeric, encode_strings
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

_PROJECT = "/api/v1/projects/source"
_PAGE, _ROWS, _CONNECTIONS, _START = 100_000, 10_000, 2, 1_600_000_000_000
_JSON, _PROTOBUF = "application/json", "application/protobuf"


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: bytes = b""
    content_type: str = _JSON
    accept: str = _JSON


@dataclass(frozen=True)
class Figure:
    what: str
    count: int
    seconds: float
    cpu_seconds: float
    size: int


class Load:
    """Sends calls over a few connections at once and measures the server while it answers."""

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._server = psutil.Process(pid)
        self.figures: list[Figure] = []

    def run(self, what: str, count: int, calls: Sequence[Call]) -> list[bytes]:
        """``count`` is what all calls together carry. Returns the answers, in order."""
        answers: list[bytes] = [b""] * len(calls)
        threads = [threading.Thread(target=self._work, args=(calls, answers, first)) for first in range(_CONNECTIONS)]
        cpu, started = self._cpu(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        size = sum(map(len, answers)) + sum(len(call.body) for call in calls)
        self.figures.append(Figure(what, count, seconds, self._cpu() - cpu, size))
        return answers

    def _cpu(self) -> float:
        times = self._server.cpu_times()
        return float(times.user + times.system)

    def _work(self, calls: Sequence[Call], answers: list[bytes], first: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port)
        for index in range(first, len(calls), _CONNECTIONS):
            call = calls[index]
            headers = {"authorization": "Bearer sandbox", "content-type": call.content_type, "accept": call.accept}
            connection.request(call.method, _PROJECT + call.path, call.body, headers)
            response = connection.getresponse()
            answers[index] = response.read()
            if response.status >= 300:
                raise RuntimeError(f"{call.path}: {response.status} {answers[index][:200]!r}")
        connection.close()


def _series(load: Load, name: str, *, is_string: bool = False) -> None:
    body = orjson.dumps({"items": [{"externalId": name, "isString": is_string}]})
    load.run("", 1, [Call("POST", "/timeseries", body)])
    load.figures.pop()


def _points_calls(name: str, count: int, encode: Callable[[int], bytes], field: int) -> list[Call]:
    calls = []
    for first in range(0, count, _PAGE):
        item = text_field(2, name) + length_field(field, encode(first))
        calls.append(Call("POST", "/timeseries/data", length_field(1, item), _PROTOBUF))
    return calls


def _list_calls(name: str, count: int, accept: str, **query: Any) -> list[Call]:
    """Disjoint ranges, as a parallel reader asks for them."""
    calls = []
    for first in range(0, count, _PAGE):
        item = {
            "externalId": name,
            "start": _START + first * 1000,
            "end": _START + (first + _PAGE) * 1000,
            "limit": _PAGE,
        }
        calls.append(Call("POST", "/timeseries/data/list", orjson.dumps({"items": [item], **query}), accept=accept))
    return calls


def _times(first: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(first, first + _PAGE, dtype=np.int64) * 1000 + _START


def datapoints(load: Load, count: int) -> None:
    """Ordinary points, points of which a third is 0.0, points with statuses, strings; protobuf, and JSON for comparison."""
    random = np.random.default_rng(1)
    plain = random.normal(size=_PAGE)
    zeros = np.where(np.arange(_PAGE) % 3 == 0, 0.0, plain)
    codes = np.where(np.arange(_PAGE) % 10 == 0, 0x8000_0000, 0).astype(np.uint32)
    words = np.array([b"state %d" % (n % 17) for n in range(_PAGE)], object)
    kinds: list[tuple[str, int, int, Callable[[int], bytes]]] = [
        ("points", count, 3, lambda first: encode_numeric(Points(_times(first), plain), with_status=True)),
        (
            "points, a third 0.0",
            count // 4,
            3,
            lambda first: encode_numeric(Points(_times(first), zeros), with_status=True),
        ),
        (
            "points, a tenth Bad",
            count // 20,
            3,
            lambda first: encode_numeric(Points(_times(first), plain, codes), with_status=True),
        ),
        ("strings", count // 20, 4, lambda first: encode_strings(Points(_times(first), words), with_status=True)),
    ]
    everything = {"includeStatus": True, "ignoreBadDataPoints": False, "treatUncertainAsBad": False}
    for name, size, field, encode in kinds:
        _series(load, name, is_string=field == 4)
        load.run(f"{name} stored", size, _points_calls(name, size, encode, field))
        load.run(f"{name} served", size, _list_calls(name, size, _PROTOBUF, **everything))
    some = count // 20
    load.run("points served as JSON", some, _list_calls("points", some, _JSON))
    load.run("points stored as JSON", some, [_json_insert(first) for first in range(0, some, _PAGE)])


def _json_insert(first: int) -> Call:
    points = [{"timestamp": time, "value": time / 7} for time in _times(first).tolist()]
    return Call("POST", "/timeseries/data", orjson.dumps({"items": [{"externalId": "points", "datapoints": points}]}))


def raw_rows(load: Load, count: int) -> None:
    """Rows of about 220 bytes, 10 000 a request."""
    path = "/raw/dbs/bench/tables/rows"
    calls = []
    for first in range(0, count, _ROWS):
        items = [{"key": f"{n:09d}", "columns": _columns(n)} for n in range(first, min(first + _ROWS, count))]
        calls.append(Call("POST", path + "/rows?ensureParent=true", orjson.dumps({"items": items})))
    load.run("raw rows stored", count, calls)
    load.run("raw rows stored again, unchanged", count, calls)
    (answer,) = load.run("", 1, [Call("GET", f"{path}/cursors?numberOfCursors={-(-count // _ROWS)}")])
    load.figures.pop()
    cursors = orjson.loads(answer)["items"]
    load.run(
        "raw rows served", count, [Call("GET", f"{path}/rows?limit={_ROWS}&cursor={cursor}") for cursor in cursors]
    )
    load.run(
        "raw keys served",
        count,
        [Call("GET", f"{path}/rows?limit={_ROWS}&columns=,&cursor={cursor}") for cursor in cursors],
    )


def _columns(n: int) -> dict[str, Any]:
    return {
        "asset": f"23-PT-{n % 997:05d}",
        "description": "PRESSURE TRANSMITTER, SECOND STAGE SUCTION",
        "reading": n / 16,
        "valid": n % 2 == 0,
        "area": "COMPRESSION",
        "sequence": n,
    }


def show(figures: Sequence[Figure]) -> None:
    print(f"{'what':34} {'count':>11} {'seconds':>8} {'per second':>12} {'per CPU second':>15} {'MB/s':>7}")
    for figure in figures:
        rate, per_cpu = figure.count / figure.seconds, figure.count / max(figure.cpu_seconds, 0.01)
        size = figure.size / figure.seconds / 1e6
        print(
            f"{figure.what:34} {figure.count:>11,} {figure.seconds:>8.2f} {rate:>12,.0f} {per_cpu:>15,.0f} {size:>7.0f}"
        )


def measure(sandbox: RunningSandbox, *, points: int = 20_000_000, rows: int = 400_000) -> list[Figure]:
    load = Load(sandbox.port, sandbox.pid)
    datapoints(load, points)
    raw_rows(load, rows)
    return load.figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=20_000_000)
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    with RunningSandbox(projects=("source",)) as sandbox:
        show(measure(sandbox, points=options.points, rows=options.rows))


if __name__ == "__main__":
    main()
