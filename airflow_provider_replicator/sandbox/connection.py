# SPDX-License-Identifier: Apache-2.0
"""The HTTP server's protocol, opened up a little: handlers may break the connection, and bodies arrive in one piece."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_NO_LINGER = struct.pack("ii", 1, 0)

#: key of the ASGI scope under which the transport is found
TRANSPORT = "sandbox.transport"


class SandboxProtocol(HttpToolsProtocol):
    """Puts the transport into the ASGI scope and wakes the application only when a request body is complete."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]

    def on_body(self, body: bytes) -> None:
        # The application needs whole bodies anyway: waking it for every 64 KB costs more than parsing them.
        if not self.cycle.response_complete:
            self.cycle.body += body


def reset(transport: Any) -> None:
    """Break the connection so that the client sees a reset (RST), not an orderly end."""
    exposed = transport.get_extra_info("socket")
    # uvloop's stand-in for the socket has no setsockopt; a duplicate descriptor shares the options.
    with socket.socket(fileno=os.dup(exposed.fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
