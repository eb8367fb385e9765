# SPDX-License-Identifier: Apache-2.0
"""The client against a sandbox that misbehaves in every way it knows, and one that keeps CDF's published limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.connection import read_connection
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.exceptions import CdfDuplicatedError, CdfRequestError, CdfUnavailableError
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

#: rule -> whether the server may have committed the request that it hits
FAULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "429": ({"kind": "status", "status": 429}, False),
    "429 with Retry-After": ({"kind": "status", "status": 429, "retry_after": 1}, False),
    "500": ({"kind": "status", "status": 500}, True),
    "502": ({"kind": "status", "status": 502}, True),
    "503": ({"kind": "status", "status": 503}, True),
    "503 with Retry-After": ({"kind": "status", "status": 503, "retry_after": 1}, True),
    "504": ({"kind": "status", "status": 504}, True),
    "auto-retryable 400": ({"kind": "status", "status": 400, "auto_retryable": True}, False),
    "503 that says it is not retryable": ({"kind": "status", "status": 503, "auto_retryable": False}, True),
    "503 after commit": ({"kind": "status_after_commit", "status": 503}, True),
    "reset": ({"kind": "reset"}, True),
    "reset after commit": ({"kind": "reset_after_commit"}, True),
    "slow body": ({"kind": "slow_body", "seconds": 0.3}, False),
    "slow body, slower than the client waits": ({"kind": "slow_body", "seconds": 9.0}, True),
    "truncated body": ({"kind": "truncated_body"}, True),
    "late": ({"kind": "delay", "seconds": 0.3}, False),
    "later than the client waits": ({"kind": "delay", "seconds": 1.0}, True),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox(projects=("target",)) as running:
        running.control.add_client("robot", "secret")
        yield running


@pytest.fixture(autouse=True)
def healthy(sandbox: RunningSandbox) -> Iterator[None]:
    yield
    sandbox.control.clear_faults()


@contextlib.asynccontextmanager
async def connected(sandbox: RunningSandbox, **extra: Any) -> AsyncIterator[CdfClient]:
    """A client that gives up waiting and tries again sooner than it would in earnest."""
    extra = {"project": "target", "token": sandbox.token, "read_timeout": 0.5} | extra
    login, password = ("robot", "secret") if extra["token"] is None else (None, None)
    connection = read_connection("target", host=sandbox.base_url, login=login, password=password, extra=extra)
    settings = replace(connection.settings, retry=RetryPolicy(first_wait=0.01, longest_wait=0.1))
    async with replace(connection, settings=settings).client() as client:
        yield client


def run(sandbox: RunningSandbox, use: Callable[[CdfClient], Awaitable[Any]], **extra: Any) -> Any:
    async def main() -> Any:
        async with connected(sandbox, **extra) as client:
            return await use(client)

    return asyncio.run(main())


async def external_ids(client: CdfClient, prefix: str) -> list[str]:
    answer = await client.post_json("/assets/list", {"limit": 1000, "filter": {"externalIdPrefix": prefix}})
    return sorted(asset["externalId"] for asset in answer["items"])


async def refusal(call: Awaitable[Any]) -> CdfDuplicatedError | None:
    try:
        await call
    except CdfDuplicatedError as error:
        return error
    return None


def keys(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"externalId": item["externalId"]} for item in items]


@pytest.mark.parametrize("name", FAULTS)
def test_a_create_is_done_once_whatever_happens(sandbox: RunningSandbox, name: str) -> None:
    rule, unknown = FAULTS[name]

    async def use(client: CdfClient) -> list[str]:
        sandbox.control.fault(path="/assets", method="POST", **rule)
        items = [{"externalId": f"{name}/{number}", "name": "x"} for number in range(3)]
        began = time.monotonic()
        error = await refusal(client.post_json("/assets", {"items": items}))
        assert error is None or (unknown and error.unknown_outcome_before and error.duplicated == keys(items))
        assert time.monotonic() - began >= rule.get("retry_after", 0)
        assert [fault["happened"] for fault in sandbox.control.faults()] == [1]
        return await external_ids(client, name + "/")

    assert run(sandbox, use) == [f"{name}/{number}" for number in range(3)]


@pytest.mark.parametrize("name", FAULTS)
def test_a_list_comes_whole_whatever_happens(sandbox: RunningSandbox, name: str) -> None:
    async def use(client: CdfClient) -> tuple[list[str], int]:
        items = [{"externalId": f"list {name}/{number}", "name": "x" * 100} for number in range(20)]
        await client.post_json("/assets", {"items": items})
        sandbox.control.fault(path="/assets/list", **FAULTS[name][0])
        return await external_ids(client, f"list {name}/"), client.stats.retries

    found, retries = run(sandbox, use)
    assert len(found) == 20
    assert retries == (0 if name in ("slow body", "late") else 1)


def test_a_delete_after_a_lost_answer_says_that_it_may_be_done(sandbox: RunningSandbox) -> None:
    async def use(client: CdfClient) -> CdfRequestError:
        await client.post_json("/assets", {"items": [{"externalId": "gone", "name": "x"}]})
        sandbox.control.fault(path="/assets/delete", kind="reset_after_commit")
        with pytest.raises(CdfRequestError) as caught:
            await client.post_json("/assets/delete", {"items": [{"externalId": "gone"}]})
        return caught.value

    error = run(sandbox, use)
    assert error.missing == [{"externalId": "gone"}]
    assert error.unknown_outcome_before


def test_an_outage_ends_in_an_error_that_airflow_retries(sandbox: RunningSandbox) -> None:
    async def use(client: CdfClient) -> int:
        sandbox.control.fault(path="/assets", kind="status", status=503, times=None)
        with pytest.raises(CdfUnavailableError, match=r"503 Injected by a fault rule \(10 attempts\)"):
            await client.post_json("/assets", {"items": [{"name": "x"}]})
        return client.stats.requests

    assert run(sandbox, use) == 10


def test_a_token_that_expires_in_the_middle_is_renewed(sandbox: RunningSandbox) -> None:
    async def use(client: CdfClient) -> int:
        await external_ids(client, "")
        sandbox.control.advance(2 * 3_600_000)
        await asyncio.gather(*(external_ids(client, "") for _ in range(8)))
        await client.post_json("/assets", {"items": [{"externalId": "after expiry", "name": "x"}]})
        return client.stats.retries

    extra = {"token": None, "token_url": f"{sandbox.base_url}/oauth/token"}
    assert run(sandbox, use, **extra) == 0


def test_published_limits_are_kept() -> None:
    """A server that counts as CDF does refuses nothing, or next to nothing if this machine is so busy that requests bunch."""
    with RunningSandbox(projects=("target",), args=("--rate-limits", "on", "--latency-ms", "20")) as sandbox:

        async def use(client: CdfClient) -> int:
            await asyncio.gather(
                *(client.post_json("/assets/list", {"limit": 1}) for _ in range(60)),
                *(client.post_json("/assets/aggregate", {}) for _ in range(20)),
                *(client.post_json("/assets", {"items": [{"name": "x"}]}) for _ in range(200)),
                *(client.post_json("/events/list", {"limit": 1}) for _ in range(60)),
                *(client.post_json("/events", {"items": [{"type": "x"}]}) for _ in range(200)),
                *(client.post_json("/timeseries/list", {"limit": 1}) for _ in range(40)),
            )
            return client.stats.retries

        retries = run(sandbox, use, concurrency=64, read_timeout=60)
        counters = sandbox.control.counters()
    assert retries <= 6  # of 580; without our limits it is hundreds
    assert counters["throttled"].get("target", 0) == retries
    assert counters["total"] == 580 + retries
    peaks = counters["peak_concurrency"]
    assert peaks["target POST /assets/list"] <= 12
    assert peaks["target POST /assets/aggregate"] <= 5
    assert peaks["target POST /assets"] <= 23
    assert peaks["target POST /events"] <= 30
