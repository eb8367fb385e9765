# SPDX-License-Identifier: Apache-2.0
"""The shell around the server: compression, sizes, request ids, counters, control, and the process itself."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import orjson
import psutil
import pytest

from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from tests.sandbox.wire import send

BIG = {"items": [{"description": f"event number {n}"} for n in range(200)]}


def test_gzip_both_ways(sandbox: RunningSandbox) -> None:
    answer = send(
        sandbox,
        "/events",
        body=gzip.compress(orjson.dumps(BIG)),
        content_encoding="gzip",
        accept_encoding="gzip, deflate",
    )
    assert answer.status == 201
    assert answer.headers["content-encoding"] == "gzip"
    assert len(orjson.loads(gzip.decompress(answer.body))["items"]) == 200


def test_no_gzip_unless_asked_for_allowed_and_worth_it(sandbox: RunningSandbox) -> None:
    assert "content-encoding" not in send(sandbox, "/events/list", {"limit": 200}).headers
    assert "content-encoding" not in send(sandbox, "/events/byids", {}, accept_encoding="gzip").headers
    sandbox.control.settings(gzip=False)
    assert "content-encoding" not in send(sandbox, "/events/list", {"limit": 200}, accept_encoding="gzip").headers


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"{}", "gzip", 400),
        (gzip.compress(b'{"items": [{}]}', mtime=0)[:-9], "gzip", 400),
        (zlib.compress(b"{}"), "deflate", 415),
        (b"{", "identity", 400),
        (b"\xff", "identity", 400),
    ],
)
def test_bodies_that_cannot_be_read(sandbox: RunningSandbox, body: bytes, encoding: str, status: int) -> None:
    assert send(sandbox, "/events", body=body, content_encoding=encoding).status == status


def test_large_bodies_are_413_also_when_they_are_small_on_the_wire(sandbox: RunningSandbox) -> None:
    sandbox.control.settings(max_body_bytes=10_000)
    assert send(sandbox, "/events", body=b" " * 10_001).status == 413
    assert send(sandbox, "/events", body=gzip.compress(b" " * 10_001), content_encoding="gzip").status == 413
    assert send(sandbox, "/events", body=orjson.dumps({"items": [{}]}).ljust(10_000)).status == 201


def test_every_answer_has_its_own_request_id(sandbox: RunningSandbox) -> None:
    answers = [
        send(sandbox, "/events", {"items": [{}]}),
        send(sandbox, "/events", {}),
        send(sandbox, "/nothing"),
        send(sandbox, "/events", token="wrong"),
        send(sandbox, "/nothing", project=""),
        send(sandbox, "/api/v1/token/inspect", method="GET", project=""),
    ]
    assert [answer.status for answer in answers] == [201, 400, 404, 401, 404, 200]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_counters(sandbox: RunningSandbox) -> None:
    sandbox.control.reset_counters()
    assert send(sandbox, "/raw/dbs/a%2Fb/tables", method="GET").status in (200, 400, 404)
    created = send(sandbox, "/events", {"items": [{}]}, project="target")
    send(sandbox, "/events/list", {"limit": 0})
    counters = sandbox.control.counters()
    assert counters["requests"] == {
        "source GET /raw/dbs/{dbName}/tables": 1,
        "target POST /events": 1,
        "source POST /events/list": 1,
    }
    assert counters["total"] == 3
    assert counters["statuses"]["target 201"] == 1
    assert counters["statuses"]["source 400"] >= 1
    assert counters["bytes_received"]["target"] == len(orjson.dumps({"items": [{}]}))
    assert counters["bytes_sent"]["target"] == len(created.body)
    sandbox.control.reset_counters()
    assert sandbox.control.counters()["total"] == 0


def test_peak_concurrency_is_of_requests_in_flight(sandbox: RunningSandbox) -> None:
    sandbox.control.settings(latency_ms=300)
    sandbox.control.reset_counters()
    gate = threading.Barrier(5)

    def ask(_: int) -> int:
        gate.wait(10)
        return send(sandbox, "/events/list", {"limit": 1}).status

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(ask, range(5))) == [200] * 5
    peaks = sandbox.control.counters()["peak_concurrency"]
    assert peaks["source POST /events/list"] == 5
    assert peaks["source"] == 5


def test_latency_is_waited(sandbox: RunningSandbox) -> None:
    sandbox.control.settings(latency_ms=100)
    started = time.monotonic()
    send(sandbox, "/events/list", {"limit": 1})
    assert time.monotonic() - started >= 0.1


def test_the_clock_can_stand_still_and_move(sandbox: RunningSandbox) -> None:
    sandbox.control.freeze(4_000_000_000_000)
    assert sandbox.control.now_ms() == sandbox.control.now_ms() == 4_000_000_000_000
    sandbox.control.advance(5)
    assert sandbox.control.now_ms() == 4_000_000_000_005
    sandbox.control.resume()
    assert abs(sandbox.control.now_ms() - time.time() * 1000) < 60_000


def test_control_refuses_what_it_does_not_know(sandbox: RunningSandbox) -> None:
    for method, path, payload in (
        ("POST", "settings", {"latency": 5}),
        ("POST", "settings", {"latency_ms": "fast"}),
        ("POST", "settings", {"rate_limits": 1}),
        ("POST", "faults", {"kind": "explosion"}),
        ("POST", "faults", {"kind": "reset", "where": "/assets"}),
        ("POST", "faults", {"path": "/assets"}),
        ("POST", "clock", {}),
        ("POST", "clients", {"id": "x"}),
        ("GET", "nothing", None),
    ):
        with pytest.raises(RuntimeError, match=r"40[04]"):
            sandbox.control.call(method, f"/_sandbox/{path}", payload)
    assert sandbox.control.call("GET", "/_sandbox/health") == {"status": "ok", "projects": ["source", "target"]}


def test_a_bug_in_a_handler_is_a_500_and_is_logged(server: CdfServer, caplog: pytest.LogCaptureFixture) -> None:
    del server.projects["source"].events
    answer = server.handle(Request("POST", "/events", body=b'{"items": [{}]}'), "source")
    assert answer.status == 500
    assert orjson.loads(answer.body) == {"error": {"code": 500, "message": "Internal server error"}}
    assert "POST /events" in caplog.text


def test_it_binds_to_loopback_and_ends_with_its_block() -> None:
    with RunningSandbox(projects=("only",), token="t") as sandbox:
        process = psutil.Process(sandbox.pid)
        addresses = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        assert addresses == {"127.0.0.1"}
        assert send(sandbox, "/assets/list", {}, project="only", token="t").status == 200
        assert send(sandbox, "/assets/list", {}, project="source", token="t").status == 401
    assert not process.is_running()
    sandbox.stop()


def test_it_dies_with_the_process_that_started_it() -> None:
    program = (
        "import os, time\n"
        "from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox\n"
        "sandbox = RunningSandbox().__enter__()\n"
        "print(sandbox.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        child.wait(10)


def test_the_command_line() -> None:
    command = [sys.executable, "-m", "airflow_provider_replicator.sandbox", "cdf", "--port", "0", "--project", "p"]
    command += ["--rate-limits", "on", "--latency-ms", "1", "--client", "me:secret:assets:read,events", "--token", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            sandbox = RunningSandbox()
            sandbox.port = int(line.strip().rsplit(":", 1)[1])
            assert send(sandbox, "/assets/list", {}, project="p", token=None).status == 200
        finally:
            process.terminate()
            process.wait(10)
