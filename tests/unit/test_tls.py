# SPDX-License-Identifier: Apache-2.0
"""TLS: what production uses, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_replicator.cdf.http.connection import read_connection
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.unit.certificates import self_signed
from tests.unit.scripted_server import ScriptedServer, answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def server(certificate: Path) -> ScriptedServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return ScriptedServer([answer(200, b'{"items": [1]}')], tls=context)


ASK = """
import asyncio, sys
from airflow_provider_replicator.cdf.http.connection import read_connection
async def main():
    connection = read_connection("c", host=sys.argv[1], extra={"project": "p", "token": "t"})
    async with connection.client() as client:
        print(await client.post_json("/assets/list", {}))
asyncio.run(main())
"""


def test_a_certificate_that_this_machine_trusts(certificate: Path) -> None:
    async def main() -> str:
        async with server(certificate) as running:
            # a process of its own: which certificates are trusted is read once per process
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", ASK, running.url),
                env=os.environ | {"SSL_CERT_FILE": str(certificate)},
                stdout=subprocess.PIPE,
            )
            out, _ = await process.communicate()
            return out.decode().strip()

    assert asyncio.run(main()) == "{'items': [1]}"


def test_a_certificate_that_nobody_trusts_is_not_tried_again(certificate: Path) -> None:
    async def main() -> int:
        async with server(certificate) as running:
            connection = read_connection("c", host=running.url, extra={"project": "p", "token": "t"})
            async with connection.client() as client:
                with pytest.raises(
                    ConfigurationError, match=r"certificate of 127\.0\.0\.1 is not trusted: .*self-signed"
                ):
                    await client.post_json("/assets/list", {})
                return client.stats.requests

    assert asyncio.run(main()) == 1
