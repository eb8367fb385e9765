# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of an S3 server that fails by rule: refuses, is silent, or loses the answer to what the server has done."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

#: ``error``: answer status and code. ``cut``: close the connection, the server has seen nothing. ``lose``: the server does it, the
#: answer is lost. ``silence``: neither the server nor the client hears anything for ``seconds``. ``tell``: the server's answer with
#: more ``headers``.
Kind = Literal["error", "cut", "lose", "silence", "tell"]


@dataclass(kw_only=True)
class Fault:
    """Happens to the requests whose "METHOD /path?query" matches, after ``skip`` of them, ``times`` times (0: always).

    ``last``: from then on every request is refused, as with credentials that have expired.
    """

    match: str
    kind: Kind = "error"
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)
    skip: int = 0
    times: int = 1
    happened: int = 0
    last: bool = False


@dataclass(kw_only=True)
class _State:
    upstream: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def fault(self, request: str) -> Fault | None:
        with self.lock:
            self.requests.append(request)
            if any(fault.last and fault.happened for fault in self.faults):
                return Fault(match="", status=400, code="ExpiredToken")
            for fault in self.faults:
                if not re.search(fault.match, request) or (fault.times and fault.happened >= fault.times):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.happened += 1
                return fault
        return None


class FaultyS3:
    """For the length of a ``with`` block; ``url`` is the endpoint."""

    def __init__(self, upstream_url: str) -> None:
        self._state = _State(upstream=urlsplit(upstream_url).netloc)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": self._state}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault(self, match: str, kind: Kind = "error", **more: Any) -> Fault:
        """Add a rule; the first one that matches counts."""
        fault = Fault(match=match, kind=kind, **more)
        with self._state.lock:
            self._state.faults.append(fault)
        return fault

    def expired(self, match: str = "", **more: Any) -> Fault:
        """What S3 says to temporary credentials that are no longer good."""
        return self.fault(match, status=400, code="ExpiredToken", **{"times": 0, **more})

    def clear(self) -> None:
        """No faults, no requests seen."""
        with self._state.lock:
            self._state.faults.clear()
            self._state.requests.clear()

    @property
    def requests(self) -> list[str]:
        """What was asked since :meth:`clear`: "METHOD /path?query", unquoted."""
        with self._state.lock:
            return list(self._state.requests)

    def __enter__(self) -> FaultyS3:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: _State

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.state.fault(f"{self.command} {unquote(self.path)}")
        if fault is None or fault.kind == "tell":
            self._forward(body, {} if fault is None else fault.headers)
        elif fault.kind == "error":
            self._refuse(fault)
        else:
            if fault.kind == "lose":
                self._ask(body)
            elif fault.kind == "silence":
                self.state.over.wait(fault.seconds)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """The server's answer. Headers are passed on as they are: host and all are signed."""
        upstream = http.client.HTTPConnection(self.state.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            response = upstream.getresponse()
            return response, response.read()
        finally:
            upstream.close()

    def _forward(self, body: bytes, more: dict[str, str]) -> None:
        response, content = self._ask(body)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_response_only(response.status)
        for name, value in [*response.getheaders(), *more.items()]:
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, fault: Fault) -> None:
        error = f"<Error><Code>{fault.code}</Code><Message>{fault.code}, by rule</Message></Error>"
        content = "" if fault.status < 300 else f"<?xml version='1.0'?>{error}"
        self.send_response_only(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content.encode())

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""
