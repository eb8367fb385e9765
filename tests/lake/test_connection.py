# SPDX-License-Identifier: Apache-2.0
"""From the fields of a connection to a lake: what is taken, what is refused, where the credentials come from. No request to S3."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.connection import read_lake_connection
from airflow_provider_replicator.lake.location import Keys, Lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "a-secret-key-that-nobody-may-see"
TOKEN = "a-session-token-that-nobody-may-see"


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that knows of no AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def read(login: str | None = None, password: str | None = None, **extra: Any) -> Lake:
    return read_lake_connection("my_lake", login=login, password=password, extra={"region": "eu-north-1"} | extra)


def keys(lake: Lake) -> Keys:
    assert lake.access is not None
    return lake.access.keys()


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ({"bucket": "data"}, "s3://data"),
        ({"bucket": "s3://data/", "prefix": "/cdf/plant-a/"}, "s3://data/cdf/plant-a"),
        ({"bucket": "s3://data/cdf", "prefix": "plant-a"}, "s3://data/cdf/plant-a"),
        ({"bucket": "file:///srv/lake", "region": None}, "file:///srv/lake"),
        ({"bucket": "file:///srv/lake/", "prefix": "a", "region": ""}, "file:///srv/lake/a"),
    ],
)
def test_the_place(place: dict[str, Any], root: str) -> None:
    assert read(**place).root == root


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "the bucket is missing"),
        ({"bucket": " "}, "the bucket is missing"),
        ({"bucket": "My_Bucket"}, "'My_Bucket' is no name of a bucket"),
        ({"bucket": "https://data"}, "is no name of a bucket"),
        ({"bucket": "data", "prefix": "a b"}, "the prefix 'a b' has characters"),
        ({"bucket": "data", "prefix": "a//b"}, "the prefix 'a//b'"),
        ({"bucket": "data", "prefix": "a/../b"}, "the prefix 'a/../b'"),
        ({"bucket": "file://srv/lake", "region": None}, "write file:///folder"),
        ({"bucket": "file:///srv/a b", "region": None}, "the folder 'srv/a b' has characters"),
        ({"bucket": "file:///", "region": None}, "write file:///folder"),
        ({"bucket": "file:///srv/lake"}, "a folder (file:///…) has no credentials, region or endpoint"),
        ({"bucket": "file:///srv/lake", "region": None, "login": "a"}, "a folder (file:///…) has no credentials"),
        ({"bucket": "data", "region": None}, "the region is missing"),
        ({"bucket": "data", "endpoint_url": "s3.example"}, "endpoint_url is not a URL"),
        ({"bucket": "data", "endpoint_url": f"https://a:{SECRET}@s3.example"}, "endpoint_url holds credentials"),
        ({"bucket": "data", "endpoint_url": "http://s3.example"}, "endpoint_url is http"),
        ({"bucket": "data", "speed": 1}, "unknown in extra: speed. There are: bucket, prefix,"),
        ({"bucket": "data", "allow_http": SECRET}, "allow_http in extra is no true or false"),
        ({"bucket": "data", "login": "a"}, "missing is secret key (password). There are three ways"),
        ({"bucket": "data", "password": SECRET}, "missing is access key (login)"),
        ({"bucket": "data", "session_token": TOKEN}, "missing is access key (login) and secret key (password)"),
        (
            {"bucket": "data", "login": "a", "password": SECRET, "profile": "p"},
            "access key and secret and profile: leave",
        ),
        (
            {"bucket": "data", "aws_conn_id": "a", "profile": "p"},
            "there are profile and aws_conn_id: leave all but one",
        ),
        ({"bucket": "data", "region": None, "profile": "p"}, "The config profile (p) could not be found"),
    ],
)
def test_what_is_wrong_is_said_and_secrets_are_not(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(**fields)
    assert str(refused.value).startswith("connection 'my_lake': ")
    assert complaint in str(refused.value)
    assert SECRET not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_keys_of_the_connection() -> None:
    lake = read("key", SECRET, bucket="data", session_token=TOKEN, endpoint_url="https://s3.example/")
    assert keys(lake) == Keys("key", SECRET, TOKEN)
    assert lake.access is not None
    assert (lake.access.region, lake.access.endpoint_url) == ("eu-north-1", "https://s3.example")
    assert SECRET in lake.options().values()
    shown = f"{lake!r} {lake.access!r} {keys(lake)!r} {lake}"
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("url", ["http://127.0.0.1:8333", "http://localhost:1", "http://[::1]:1"])
def test_this_machine_needs_no_tls_and_no_region(url: str) -> None:
    lake = read("key", SECRET, bucket="data", endpoint_url=url, region=None)
    assert lake.access is not None
    assert lake.access.region == "us-east-1"
    assert lake.options()["AWS_ALLOW_HTTP"] == "true"


def test_another_machine_without_tls_if_somebody_says_so() -> None:
    lake = read("key", SECRET, bucket="data", endpoint_url="http://s3.example", allow_http="true")
    assert lake.options()["AWS_ENDPOINT_URL"] == "http://s3.example"


def test_without_credentials_the_three_ways_are_named_when_they_are_needed() -> None:
    lake = read(bucket="data")
    with pytest.raises(
        ConfigurationError, match=r"my_lake.*no credentials.*login and password.*aws_conn_id.*environment"
    ):
        lake.options()
    with pytest.raises(ConfigurationError, match="three ways"):
        lake.objects().get("k")


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example")
    lake = read(bucket="data", region=None)
    assert keys(lake) == Keys("key", SECRET, TOKEN)
    assert lake.access is not None
    assert (lake.access.region, lake.access.endpoint_url) == ("eu-west-3", "https://s3.example")


def test_a_profile(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile p]\nregion = eu-west-2\n")
    (tmp_path / "credentials").write_text(f"[p]\naws_access_key_id = key\naws_secret_access_key = {SECRET}\n")
    lake = read(bucket="data", region=None, profile="p")
    assert keys(lake) == Keys("key", SECRET)
    assert lake.access is not None
    assert lake.access.region == "eu-west-2"


def test_credentials_that_run_out_are_renewed_while_tables_are_open(tmp_path: Path) -> None:
    """As by a profile that asks a program: each answer is good for a minute, so each use asks again."""
    script = tmp_path / "credentials.py"
    script.write_text(
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        f"expires = {(datetime.now(UTC) + timedelta(minutes=1)).isoformat()!r}\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'key-{number}', 'SecretAccessKey': 's', 'SessionToken': 't',"
        " 'Expiration': expires}))\n"
    )
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {sys.executable} {script}\n")
    lake = read(bucket="data", profile="p")
    first, second = lake.options()["AWS_ACCESS_KEY_ID"], lake.options()["AWS_ACCESS_KEY_ID"]
    assert (first.startswith("key-"), first < second) == (True, True)


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The metadata service of a machine in EC2 that has a role."""

    class Service(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._say("a-token")

        def do_GET(self) -> None:
            folder = "/latest/meta-data/iam/security-credentials/"
            expires = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
            role = {"Code": "Success", "AccessKeyId": "role-key", "SecretAccessKey": SECRET, "Token": TOKEN}
            self._say("role" if self.path == folder else json.dumps(role | {"Expiration": expires}))

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("instance")
def test_the_role_of_the_machine() -> None:
    assert keys(read(bucket="data")) == Keys("role-key", SECRET, TOKEN)


def test_an_aws_connection_is_asked_each_time() -> None:
    asked: list[str] = []

    def aws(name: str) -> Any:
        def source() -> Keys:
            asked.append(name)
            return Keys(f"key-{len(asked)}", SECRET)

        return source

    extra = {"bucket": "data", "region": "eu-north-1", "aws_conn_id": "my_aws"}
    lake = read_lake_connection("my_lake", extra=extra, aws=aws)
    assert [lake.options()["AWS_ACCESS_KEY_ID"] for _ in range(2)] == ["key-1", "key-2"]
    assert asked == ["my_aws", "my_aws"]
