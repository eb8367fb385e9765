# SPDX-License-Identifier: Apache-2.0
"""The client over the real transport against a real socket, answer by answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_replicator.cdf.http.aiohttp_transport import AiohttpTransport
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.http.credentials import StaticToken
from airflow_provider_replicator.cdf.http.settings import ClientSettings
from airflow_provider_replicator.core.retry import RetryPolicy
from airflow_provider_replicator.exceptions import (
    CdfAccessError,
    CdfConnectionError,
    CdfDuplicatedError,
    CdfRequestError,
    CdfUnavailableError,
)
from tests.unit.scripted_server import ScriptedServer, Seen, Step, answer, cut_short, reset, silence

SECRET = "a-token-that-nobody-may-see"
DUPLICATED = {"error": {"code": 409, "message": "Asset id duplicated", "duplicated": [{"externalId": "a"}]}}


def run(
    steps: list[Step],
    use: Callable[[CdfClient, ScriptedServer], Awaitable[Any]],
    settings: ClientSettings | None = None,
    now_ms: int = 0,
) -> tuple[Any, ScriptedServer, CdfClient, list[float]]:
    """Run ``use`` against a server with this script; waits between attempts are noted and not slept."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def main() -> tuple[Any, ScriptedServer, CdfClient, list[float]]:
        async with ScriptedServer(steps) as server:
            transport = AiohttpTransport(server.url, "my project", StaticToken(SECRET), settings=settings)
            client = CdfClient(
                transport,
                project="my project",
                settings=settings,
                clock=lambda: now_ms,
                sleep=sleep,
                random=random.Random(1),
            )
            async with client:
                return await use(client, server), server, client, waits

    return asyncio.run(main())


def create(client: CdfClient, _server: ScriptedServer) -> Awaitable[Any]:
    return client.post_json("/assets", {"items": [{"externalId": "a"}]})


def listing(client: CdfClient, _server: ScriptedServer) -> Awaitable[Any]:
    return client.post_json("/assets/list", {"limit": 1000})


def test_what_goes_out_and_comes_back() -> None:
    async def use(client: CdfClient, _server: ScriptedServer) -> list[Any]:
        answers = [
            await client.post_json("/assets/list", {"limit": 1}),
            await client.post_json("/events", b'{"items":[]}'),
            await client.get_json(
                "/raw/dbs/a%2Fb/tables", params={"limit": 5, "cursor": None, "x": True, "k": ["a&", "b"]}
            ),
            await client.post_for_bytes("/timeseries/data/list", {"items": []}, accept="application/protobuf"),
        ]
        await client.post_protobuf("/timeseries/data", b"\x00\xff")
        return answers

    body = b'{"items": [1]}'
    answers, server, client, _ = run([answer(200, body)], use)
    parsed = {"items": [1]}
    assert answers == [parsed, parsed, parsed, body]
    base = "/api/v1/projects/my%20project"
    assert [(seen.method, seen.target) for seen in server.seen] == [
        ("POST", f"{base}/assets/list"),
        ("POST", f"{base}/events"),
        ("GET", f"{base}/raw/dbs/a%2Fb/tables?limit=5&x=true&k=a%26&k=b"),
        ("POST", f"{base}/timeseries/data/list"),
        ("POST", f"{base}/timeseries/data"),
    ]
    assert [seen.body for seen in server.seen] == [b'{"limit":1}', b'{"items":[]}', b"", b'{"items":[]}', b"\x00\xff"]
    headers = [seen.headers for seen in server.seen]
    assert {h["authorization"] for h in headers} == {f"Bearer {SECRET}"}
    assert {h["cdf-version"] for h in headers} == {"20230101"}
    assert all(h["x-cdp-app"].startswith("airflow-provider-replicator/") for h in headers)
    assert {h["accept-encoding"] for h in headers} == {"identity"}
    assert [h["accept"] for h in headers][2:] == ["application/json", "application/protobuf", "application/json"]
    assert headers[4]["content-type"] == "application/protobuf"
    assert "content-type" not in headers[2]
    assert (client.stats.requests, client.stats.retries) == (5, 0)
    assert client.stats.bytes_received == 5 * len(body)
    assert client.stats.bytes_sent == sum(len(seen.body) for seen in server.seen)


def test_an_empty_answer_is_an_empty_object() -> None:
    assert run([answer(200, b"")], listing)[0] == {}


@pytest.mark.parametrize("step", [answer(s) for s in (408, 429, 500, 502, 503, 504)] + [reset, cut_short])
def test_a_hiccup_is_retried(step: Step) -> None:
    result, server, client, waits = run([step, step, answer(200, b'{"items": []}')], listing)
    assert result == {"items": []}
    assert len(server.seen) == 3
    assert (client.stats.requests, client.stats.retries, len(waits)) == (3, 2, 2)


def test_silence_is_a_hiccup_after_the_read_timeout() -> None:
    result, server, _, _ = run([silence, answer(200)], listing, ClientSettings(read_timeout=0.05))
    assert result == {}
    assert len(server.seen) == 2


def test_an_answer_that_is_not_json_is_no_answer() -> None:
    result, server, _, _ = run([answer(200, b"<html>busy"), answer(200)], listing)
    assert result == {}
    assert len(server.seen) == 2


def test_retry_after_is_obeyed() -> None:
    _, _, _, waits = run([answer(429, retry_after="7"), answer(200)], listing)
    assert 7 <= waits[0] <= 7.5


def test_retry_after_as_a_date() -> None:
    steps = [answer(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), answer(200)]
    _, _, _, waits = run(steps, listing, now_ms=1_792_567_680_000 - 20_000)
    assert 20 <= waits[0] <= 20.5


def test_a_server_that_says_it_may_be_asked_again_is_asked_again() -> None:
    result, server, _, _ = run([answer(409, cdf_is_auto_retryable="true"), answer(200)], create)
    assert result == {}
    assert len(server.seen) == 2


@pytest.mark.parametrize(("step", "error"), [(answer(503), CdfUnavailableError), (reset, CdfConnectionError)])
def test_retries_end(step: Step, error: type[Exception]) -> None:
    async def use(client: CdfClient, server: ScriptedServer) -> int:
        with pytest.raises(error, match=r"/assets/list: .*\(4 attempts\)"):
            await listing(client, server)
        return len(server.seen)

    assert run([step], use, ClientSettings(retry=RetryPolicy(attempts=4)))[0] == 4


def test_a_wait_beyond_the_budget_is_not_begun() -> None:
    async def use(client: CdfClient, server: ScriptedServer) -> int:
        with pytest.raises(CdfUnavailableError, match="come back in 3600 s"):
            await listing(client, server)
        return len(server.seen)

    attempts, _, _, waits = run([answer(429, retry_after="3600")], use)
    assert (attempts, waits) == (1, [])


@pytest.mark.parametrize("status", [401, 403])
def test_access_is_refused_once(status: int) -> None:
    async def use(client: CdfClient, server: ScriptedServer) -> int:
        with pytest.raises(CdfAccessError, match=rf"/assets: {status} no way") as caught:
            await create(client, server)
        assert SECRET not in repr(caught.value)
        assert caught.value.status == status
        return len(server.seen)

    body = json.dumps({"error": {"code": status, "message": "no way"}}).encode()
    # even if the server says that it may be asked again: identity providers lock accounts
    assert run([answer(status, body, cdf_is_auto_retryable="true")], use)[0] == 1


async def refused(client: CdfClient, path: str) -> CdfRequestError:
    with pytest.raises(CdfRequestError) as caught:
        await client.post_json(path, {"items": []})
    return caught.value


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_a_refusal_is_not_retried_and_carries_what_the_server_named(status: int) -> None:
    body = json.dumps({"error": {"code": status, "message": "no  such\nthing", "missing": [{"id": 1}]}}).encode()
    error, server, _, _ = run([answer(status, body, x_request_id="r-1")], lambda client, _: refused(client, "/assets"))
    assert len(server.seen) == 1
    assert type(error) is CdfRequestError
    assert (error.status, error.message, error.path, error.request_id) == (status, "no such thing", "/assets", "r-1")
    assert error.missing == [{"id": 1}]
    assert not error.unknown_outcome_before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "just text"}', "just text"),
        (b"<html>" + b"x" * 9000, None),
        (b"", "no message"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"error": {"missing": 7}}', "no message"),
    ],
)
def test_odd_error_bodies(body: bytes, message: str | None) -> None:
    error = run([answer(400, body)], lambda client, _: refused(client, "/assets"))[0]
    assert len(error.message) <= 600
    assert error.missing == []
    if message is not None:
        assert error.message == message


def test_a_redirect_is_refused_and_names_its_goal() -> None:
    steps = [answer(302, b"", location="https://elsewhere.example/login")]
    error, server, _, _ = run(steps, lambda client, _: refused(client, "/assets"))
    assert len(server.seen) == 1
    assert "https://elsewhere.example/login" in error.message


@pytest.mark.parametrize(
    ("first", "path", "unknown"),
    [
        (reset, "/assets", True),
        (cut_short, "/assets", True),
        (answer(500), "/assets", True),
        (answer(503), "/events/delete", True),
        (answer(503), "/raw/dbs", True),
        (answer(429), "/assets", False),
        (answer(503), "/assets/list", False),
        (answer(503), "/assets/update", False),
        (reset, "/timeseries/data", False),
        (reset, "/raw/dbs/a/tables/b/rows", False),
    ],
)
def test_a_refusal_after_a_lost_answer_says_so(first: Step, path: str, unknown: bool) -> None:
    steps = [first, answer(429), answer(409, json.dumps(DUPLICATED).encode())]
    error = run(steps, lambda client, _: refused(client, path))[0]
    assert isinstance(error, CdfDuplicatedError)
    assert error.duplicated == [{"externalId": "a"}]
    assert error.unknown_outcome_before is unknown


def test_a_refused_connection_has_no_unknown_outcome() -> None:
    async def main() -> tuple[str, int]:
        async with ScriptedServer([answer(200)]) as server:
            url = server.url  # nobody listens there any more
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)

        client = CdfClient(AiohttpTransport(url, "p", StaticToken(SECRET)), project="p", sleep=sleep)
        async with client:
            with pytest.raises(CdfConnectionError) as caught:
                await client.post_json("/assets", {})
        return str(caught.value), len(waits)

    message, waits = asyncio.run(main())
    assert "(5 attempts)" in message
    assert waits == 4


def test_bodies_are_compressed_when_the_connection_says_so() -> None:
    payload = {"items": [{"name": "x" * 5000}]}

    async def use(client: CdfClient, _server: ScriptedServer) -> Any:
        await client.post_json("/assets/list", {"limit": 1})  # too small to be worth it
        return await client.post_json("/assets", payload)

    packed = gzip.compress(b'{"items":[1]}')
    settings = ClientSettings(request_compression="gzip-1", response_compression="gzip")
    result, server, client, _ = run([answer(200, packed, content_encoding="gzip")], use, settings)
    small, large = server.seen
    assert result == {"items": [1]}
    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert large.headers["accept-encoding"] == "gzip"
    assert json.loads(gzip.decompress(large.body)) == payload
    assert client.stats.bytes_received == 2 * len(b'{"items":[1]}')
    assert client.stats.bytes_sent > 5000


@pytest.mark.parametrize("no_proxy", ["", "example.com,cdf.example"])
def test_the_proxy_of_the_environment(no_proxy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def main() -> tuple[Seen | None, str]:
        async with ScriptedServer([answer(200)]) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:pass@"))
            monkeypatch.setenv("no_proxy", no_proxy)
            monkeypatch.setenv("NETRC", str(netrc))
            settings = ClientSettings(retry=RetryPolicy(connect_attempts=1))
            transport = AiohttpTransport("http://cdf.example", "p", StaticToken(SECRET), settings=settings)
            async with CdfClient(transport, project="p", settings=settings) as client:
                try:
                    await client.post_json("/assets/list", {})
                except CdfConnectionError as error:
                    return None, str(error)
            return proxy.seen[0], ""

    netrc = tmp_path / "netrc"
    netrc.write_text("machine cdf.example login other password other\n")
    seen, error = asyncio.run(main())
    if no_proxy:
        assert "Cannot connect to host cdf.example" in error
        return
    assert seen is not None
    assert seen.target == "http://cdf.example/api/v1/projects/p/assets/list"
    assert seen.headers["proxy-authorization"].startswith("Basic ")
    assert seen.headers["authorization"] == f"Bearer {SECRET}"  # not what .netrc says
    assert seen.headers["accept-encoding"] == "gzip"  # over a network, unlike on this machine


def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 8192  # 2 MB

    async def use(client: CdfClient, _server: ScriptedServer) -> bytes:
        await client.post_protobuf("/timeseries/data", body)
        return await client.post_for_bytes("/timeseries/data/list", b"{}")

    received, server, _, _ = run([answer(200, body)], use)
    assert received == body
    assert server.seen[0].body == body


def test_concurrency_is_bounded() -> None:
    peak = 0
    open_now = 0

    async def slow(writer: asyncio.StreamWriter) -> None:
        nonlocal peak, open_now
        open_now += 1
        peak = max(peak, open_now)
        await asyncio.sleep(0.005)
        open_now -= 1
        await answer(200)(writer)

    async def use(client: CdfClient, server: ScriptedServer) -> None:
        await asyncio.gather(*(listing(client, server) for _ in range(12)))

    run([slow], use, ClientSettings(concurrency=3))
    assert peak == 3


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/9.9 banana\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("step", [nonsense, reset, cut_short, answer(200, b"abc", content_encoding="gzip")])
def test_an_error_carries_no_token_along(step: Step) -> None:
    """aiohttp's own errors hold the headers of the request, and error trackers print whole chains of errors."""

    async def use(client: CdfClient, server: ScriptedServer) -> list[BaseException]:
        with pytest.raises(CdfConnectionError) as caught:
            await listing(client, server)
        return list(chain(caught.value))

    errors = run([step], use, ClientSettings(retry=RetryPolicy(attempts=2)))[0]
    assert len(errors) > 1
    assert not [error for error in errors if SECRET in repr(error) + str(vars(error))]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_neither_client_nor_transport_prints_the_token() -> None:
    transport = AiohttpTransport("http://127.0.0.1:1", "p", StaticToken(SECRET))
    client = CdfClient(transport, project="p")
    for thing in (transport, client, client.settings, client.stats, StaticToken(SECRET)):
        assert SECRET not in repr(thing) + str(thing)
