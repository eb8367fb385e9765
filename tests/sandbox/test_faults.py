# SPDX-License-Identifier: Apache-2.0
"""Faults by rule, seen from the other end of a socket, and what was committed in spite of them."""

from __future__ import annotations

import http.client
import time
import uuid
from typing import Any

import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from airflow_provider_replicator.sandbox.faults import Faults
from tests.sandbox.wire import Answer, send


def create(sandbox: RunningSandbox, name: str, **more: Any) -> Answer:
    return send(sandbox, "/events", {"items": [{"externalId": name}]}, **more)


def exists(sandbox: RunningSandbox, name: str) -> bool:
    found = send(sandbox, "/events/byids", {"items": [{"externalId": name}], "ignoreUnknownIds": True})
    return bool(found.json["items"])


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_instead_of_an_answer(sandbox: RunningSandbox, name: str, status: int) -> None:
    sandbox.control.fault(method="POST", path="/events", kind="status", status=status)
    answer = create(sandbox, name)
    assert answer.status == status
    assert answer.json["error"]["code"] == status
    assert "retry-after" not in answer.headers
    assert "cdf-is-auto-retryable" not in answer.headers
    assert not exists(sandbox, name)
    assert create(sandbox, name).status == 201


def test_headers_that_tell_when_and_whether_to_retry(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events", kind="status", status=429, retry_after=2, auto_retryable=True)
    answer = create(sandbox, name)
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["cdf-is-auto-retryable"] == "true"


def test_a_status_after_the_commit(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events", kind="status_after_commit", status=504)
    assert create(sandbox, name).status == 504
    assert exists(sandbox, name)
    assert create(sandbox, name).status == 409


@pytest.mark.parametrize("kind", ["reset", "reset_after_commit"])
def test_a_reset_connection(sandbox: RunningSandbox, name: str, kind: str) -> None:
    sandbox.control.fault(path="/events", kind=kind)
    with pytest.raises(ConnectionResetError):
        create(sandbox, name)
    assert exists(sandbox, name) == (kind == "reset_after_commit")
    assert sandbox.control.counters()["faults"][kind] >= 1


def test_a_truncated_body(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events", kind="truncated_body")
    with pytest.raises(http.client.IncompleteRead) as caught:
        create(sandbox, name)
    assert len(caught.value.partial) > 10
    assert exists(sandbox, name)


def test_a_slow_body_arrives_whole(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events", kind="slow_body", seconds=0.3)
    started = time.monotonic()
    answer = create(sandbox, name)
    assert time.monotonic() - started >= 0.3
    assert answer.json["items"][0]["externalId"] == name


def test_a_delay_before_the_work(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events", kind="delay", seconds=0.3)
    started = time.monotonic()
    assert create(sandbox, name).status == 201
    assert time.monotonic() - started >= 0.3


def test_which_requests_a_rule_hits(sandbox: RunningSandbox, name: str) -> None:
    sandbox.control.fault(path="/events/*", method="POST", project="source", nth=2, times=2, kind="status", status=503)
    assert create(sandbox, name).status == 201
    ask = {"items": [{"externalId": name}], "ignoreUnknownIds": True}
    assert send(sandbox, "/events/byids", ask, project="target").status == 200
    assert [send(sandbox, "/events/byids", ask).status for _ in range(4)] == [200, 503, 503, 200]
    (rule,) = sandbox.control.faults()
    assert (rule["matched"], rule["happened"]) == (4, 2)
    sandbox.control.clear_faults()
    assert sandbox.control.faults() == []


def test_chance_is_reproducible_and_forever_is_possible() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults()
        faults.add({"kind": "reset", "probability": 0.3, "seed": seed, "times": None})
        return [faults.pick("POST", "source", "/assets") is not None for _ in range(1000)]

    assert run(1) == run(1) != run(2)
    assert 200 < sum(run(1)) < 400


def test_the_first_rule_that_hits_decides_and_all_count() -> None:
    faults = Faults()
    first = faults.add({"kind": "reset", "nth": 2})
    second = faults.add({"kind": "delay", "times": 3})
    picked = [faults.pick("GET", "p", "/x") for _ in range(4)]
    assert picked == [second, first, second, None]


def test_the_token_endpoint_can_fail_and_is_counted(sandbox: RunningSandbox) -> None:
    sandbox.control.add_client("unlucky", "secret")
    sandbox.control.reset_counters()
    sandbox.control.fault(path="/oauth/token", kind="status", status=503)
    form = b"grant_type=client_credentials&client_id=unlucky&client_secret=secret"
    assert [send(sandbox, "/oauth/token", body=form, project="", token=None).status for _ in range(2)] == [503, 200]
    assert sandbox.control.counters()["requests"] == {"- POST /oauth/token": 2}


def test_other_projects_and_control_are_never_hit(sandbox: RunningSandbox) -> None:
    sandbox.control.fault(kind="status", status=500, times=None, project="target")
    assert send(sandbox, "/events/list", {}).status == 200
    assert send(sandbox, "/events/list", {}, project="target").status == 500
    assert sandbox.control.call("GET", "/_sandbox/health")["status"] == "ok"
