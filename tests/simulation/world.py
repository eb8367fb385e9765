# SPDX-License-Identifier: Apache-2.0
"""The simulated world: a sandbox with its projects, one clock, a bad network, and a record of every request.

The world outlives the processes that run in it: a crashed run's requests may still arrive (``late``).
"""

from __future__ import annotations

import heapq
import json
import random
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse, TransportError
from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: 2024-01-01 in milliseconds: where every simulated world begins.
EPOCH_MS = 1_704_067_200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Probabilities per request, and seconds. The default is a calm day."""

    latency: tuple[float, float] = (0.005, 0.05)
    refused: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    late: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    throttled: float = 0.0

    @property
    def calm(self) -> bool:
        return self == Weather(latency=self.latency)


class WorldClock(Clock):
    """The sandbox's clock: the virtual seconds of the world, which are those of the loop while one runs."""

    def __init__(self) -> None:
        super().__init__(at=EPOCH_MS)
        self.seconds = 0.0
        self.loop: asyncio.AbstractEventLoop | None = None

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.now() * 1000)

    def now(self) -> float:
        return self.loop.time() if self.loop is not None else self.seconds

    def advance(self, ms: int) -> None:
        if self.loop is not None:
            raise AssertionError("time moves by itself while a loop runs")
        self.seconds += ms / 1000


class World:
    """``call`` is a user with a perfect connection; :class:`Wire` is the connection of the program under test."""

    def __init__(self, projects: tuple[str, ...], *, rng: random.Random) -> None:
        self.rng = rng
        self.clock = WorldClock()
        self.server = CdfServer(projects, clock=self.clock)
        self._trace: list[tuple[float, str, HttpRequest | None, str, HttpResponse | None]] = []
        self.server_faults: list[str] = []
        self.writes: dict[str, int] = dict.fromkeys(projects, 0)
        self.requests = 0
        self.handled = 0
        self._late: list[tuple[float, int, str, HttpRequest]] = []
        self.after_request: Callable[[], None] = lambda: None

    # -- a user with a perfect connection

    def call(self, project: str, method: str, path: str, payload: Any = None) -> Any:
        """The parsed answer of one request. A refusal is an AssertionError with the server's words."""
        status, answer = self.ask(project, method, path, payload)
        if status >= 400:
            raise AssertionError(f"{project} {method} {path} {payload}: {status} {answer}")
        return answer

    def ask(self, project: str, method: str, path: str, payload: Any = None) -> tuple[int, Any]:
        body = b"" if payload is None else json.dumps(payload).encode()
        response = self._handle(project, HttpRequest(method, path, body))  # type: ignore[arg-type]
        return response.status, json.loads(response.body or b"{}")

    def pages(self, project: str, path: str, **body: Any) -> list[Any]:
        """All items of a list endpoint."""
        items: list[Any] = []
        cursor = None
        while True:
            answer = self.call(project, "POST", path, {"limit": 1000, **body, **({"cursor": cursor} if cursor else {})})
            items += answer["items"]
            cursor = answer.get("nextCursor")
            if not cursor:
                return items

    # -- what the wire needs

    def deliver(self, project: str, request: HttpRequest, note: str) -> HttpResponse:
        """The server handles a request now. Requests on their way for longer arrive first."""
        self.deliver_late(self.clock.now())
        response = self._handle(project, request)
        self.handled += 1
        self.log(project, request, f"{response.status}{note}", response)
        if is_write(request):
            self.writes[project] += 1
        self.after_request()
        return response

    def send_late(self, project: str, request: HttpRequest, seconds: float) -> None:
        self.requests += 1
        heapq.heappush(self._late, (self.clock.now() + seconds, self.requests, project, request))

    def deliver_late(self, until: float = float("inf")) -> None:
        while self._late and self._late[0][0] <= until:
            _, _, project, request = heapq.heappop(self._late)
            response = self._handle(project, request)
            self.log(project, request, f"{response.status} (late)", response)

    def _handle(self, project: str, request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.path)
        answer = self.server.handle(
            Request(
                method=request.method,
                path=parts.path,
                query=parse_qs(parts.query, keep_blank_values=True),
                headers={"content-type": request.content_type, "accept": request.accept},
                body=request.body,
            ),
            project,
        )
        if answer.status == 500:
            self.server_faults.append(f"{project} {request.method} {request.path} {request.body[:500]!r}")
        headers = {name.lower(): value for name, value in answer.headers}
        return HttpResponse(answer.status, answer.body, {"content-type": answer.content_type, **headers})

    def log(self, project: str, request: HttpRequest, outcome: str, response: HttpResponse | None = None) -> None:
        self._trace.append((self.clock.now(), project, request, outcome, response))

    def note(self, text: str) -> None:
        self._trace.append((self.clock.now(), text, None, "", None))

    def trace(self) -> list[str]:
        """Everything that happened, a line each; formatted only when somebody wants to read it."""
        return [_line(*entry) for entry in self._trace]


def _line(time: float, project: str, request: HttpRequest | None, outcome: str, response: HttpResponse | None) -> str:
    if request is None:
        return f"{time:10.3f} -- {project}"
    said = ""
    if response is not None and response.status >= 400:
        said = " " + response.body[:300].decode(errors="replace")
    binary = "protobuf" in request.content_type
    body = f"<{len(request.body)} bytes {zlib.crc32(request.body):08x}>" if binary else request.body.decode()
    return f"{time:10.3f} {project:8} {request.method} {request.path} {body} -> {outcome}{said}"


READS = ("/list", "/byids", "/aggregate", "/latest", "/search", "/inspect")


def is_write(request: HttpRequest) -> bool:
    path = urlsplit(request.path).path
    return request.method == "POST" and not path.endswith(READS)


class Wire:
    """The program's connection to one project (the Transport protocol), through the weather of the day."""

    def __init__(self, world: World, project: str, weather: Weather, rng: random.Random) -> None:
        self._world = world
        self._project = project
        self._weather = weather
        self._rng = rng
        self.dead = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        import asyncio

        self._check_alive()
        world, rng = self._world, self._rng
        world.requests += 1
        await asyncio.sleep(rng.uniform(*self._weather.latency))
        self._check_alive()
        fate = self._draw_fate()
        if fate == "late" and request.path == "/labels/delete":
            # Labels are replaced by deleting and creating them. Against a delete that arrives after the new one is there nobody is
            # proof, as labels have no ids; the next run puts it right.
            fate = "lost_before"
        if fate in _FATES_BEFORE:
            await asyncio.sleep(rng.uniform(*self._weather.latency))
            return self._spoil_before(fate, request)
        response = world.deliver(self._project, request, "" if fate == "fine" else f" ({fate})")
        await asyncio.sleep(rng.uniform(*self._weather.latency))
        self._check_alive()
        if fate == "lost_after":
            raise TransportError("connection reset after the request was committed")
        if fate == "error_after":
            return _error(rng.choice((500, 502, 503, 504)))
        return response

    async def close(self) -> None:
        return None

    def _check_alive(self) -> None:
        """What a killed process still tries to send never leaves it."""
        import asyncio

        if self.dead:
            raise asyncio.CancelledError

    def _draw_fate(self) -> str:
        weather = self._weather
        if weather.calm:
            return "fine"
        dice = self._rng.random()
        for name in (*_FATES_BEFORE, "lost_after", "error_after"):
            dice -= getattr(weather, name)
            if dice < 0:
                return name
        return "fine"

    def _spoil_before(self, fate: str, request: HttpRequest) -> HttpResponse:
        world, rng = self._world, self._rng
        world.log(self._project, request, f"({fate})")
        if fate == "refused":
            raise TransportError("connection refused", sent=False)
        if fate == "lost_before":
            raise TransportError("connection reset before the server saw the request")
        if fate == "late":
            world.send_late(self._project, request, rng.uniform(0.0, 2.0))
            raise TransportError("no answer within the time limit")
        if fate == "throttled":
            return _error(429, {"retry-after": str(rng.randint(1, 3))} if rng.random() < 0.5 else {})
        return _error(rng.choice((500, 502, 503, 504)))


_FATES_BEFORE = ("refused", "lost_before", "late", "throttled", "error_before")


def _error(status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    body = json.dumps({"error": {"code": status, "message": "simulated"}}).encode()
    return HttpResponse(status, body, {"content-type": "application/json", **(headers or {})})
