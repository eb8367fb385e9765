# SPDX-License-Identifier: Apache-2.0
"""TLS: what production uses, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_replicator.cdf.http.connection import read_connection
from airflow_provider_replicator.exceptions import ConfigurationError
from tests.unit.scripted_server import ScriptedServer, answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1 in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


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
