# SPDX-License-Identifier: Apache-2.0
"""The hook: Airflow's connection in; a lake, a client and a connection test out, against a real S3."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, ReplicatorError
from airflow_provider_replicator.hooks.delta_lake import DeltaLakeHook
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.table import Table
from tests.hooks.command_line import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_replicator.sandbox.s3.running import RunningS3
    from tests.lake.faulty_s3 import FaultyS3

    Connect = Callable[..., DeltaLakeHook]

SECRET = "sandbox-secret"  # the server's default; nobody may see it all the same
SCHEMA = TableSchema(columns=(Column(name="id", kind="int64"),))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, s3_server: RunningS3, faulty_s3: FaultyS3) -> Connect:
    """Make a hook for a connection with these fields; the others are those of the server, through the faulty proxy."""

    def make(login: str | None = "sandbox", password: str | None = SECRET, **extra: Any) -> DeltaLakeHook:
        fields = {
            "bucket": s3_server.bucket,
            "prefix": "hook",
            "region": s3_server.region,
            "endpoint_url": faulty_s3.url,
        }
        connection = {"conn_type": "delta_lake_s3", "login": login, "password": password, "extra": fields | extra}
        monkeypatch.setenv("AIRFLOW_CONN_MY_LAKE", json.dumps(connection))
        return DeltaLakeHook("my_lake")

    return make


def test_table_handles_and_the_client(connect: Connect) -> None:
    hook = connect()
    table = Table(hook.get_lake(), "t/one")
    table.prepare(SCHEMA)
    assert hook.get_table("t/one").version() == 0
    assert hook.get_table("t/one", version=0).file_uris() == []
    listed = hook.get_conn().list_objects_v2(Bucket="lake", Prefix="hook/t/one/")
    assert [found["Key"] for found in listed["Contents"]] == ["hook/t/one/_delta_log/00000000000000000000.json"]
    with pytest.raises(ConfigurationError, match="there is no table at s3://lake/hook/t/two"):
        hook.get_table("t/two")


def test_a_folder(connect: Connect, tmp_path: Path) -> None:
    hook = connect(None, None, bucket=f"file://{tmp_path}/lake", prefix="", region=None, endpoint_url=None)
    assert hook.test_connection() == (
        True,
        f"may write, write on condition, read and delete below file://{tmp_path}/lake",
    )
    Table(hook.get_lake(), "t").prepare(SCHEMA)
    assert hook.get_table("t").version() == 0
    with pytest.raises(ConfigurationError, match="leads to a folder"):
        hook.get_conn()


def test_making_a_hook_asks_nobody() -> None:
    assert DeltaLakeHook().delta_conn_id == "delta_lake_default"
    usable, text = DeltaLakeHook("there_is_no_such_connection").test_connection()
    assert not usable
    assert "there_is_no_such_connection" in text


def test_connection_test_leaves_nothing_behind(connect: Connect, faulty_s3: FaultyS3) -> None:
    hook = connect(prefix="probed")
    assert hook.test_connection() == (True, "may write, write on condition, read and delete below s3://lake/probed")
    assert [request.split()[0] for request in faulty_s3.requests] == ["GET", "PUT", "PUT", "GET", "GET", "POST"]
    assert hook.get_conn().list_objects_v2(Bucket="lake", Prefix="probed/")["KeyCount"] == 0


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"login": "nobody"}, "InvalidAccessKeyId"),
        ({"password": "wrong"}, "SignatureDoesNotMatch"),
        ({"bucket": "nothing"}, "bucket nothing: An error occurred (NoSuchBucket)"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
        ({"endpoint_url": "http://s3.example"}, "connection 'my_lake': endpoint_url is http"),
        ({"login": None, "password": None, "profile": "none"}, "The config profile (none) could not be found"),
        ({"login": None, "password": None, "aws_conn_id": "my_aws"}, "pip install apache-airflow-providers-amazon"),
    ],
)
def test_connection_test_says_what_is_wrong(connect: Connect, fields: dict[str, Any], complaint: str) -> None:
    usable, text = connect(**fields).test_connection()
    assert not usable
    assert complaint in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"match": "GET", "status": 403, "code": "AccessDenied"}, "bucket lake: An error occurred (AccessDenied)"),
        ({"match": "PUT", "status": 403, "code": "AccessDenied"}, "write _cdf_probe/"),
        ({"match": "POST", "status": 403, "code": "AccessDenied"}, "delete objects: An error occurred (AccessDenied)"),
        ({"match": "PUT", "status": 200, "skip": 1}, "the store ignores conditions (If-None-Match)"),
        ({"match": "PUT", "status": 501, "code": "NotImplemented"}, "(NotImplemented)"),
        (
            {"match": "GET", "kind": "tell", "headers": {"x-amz-bucket-region": "eu-west-9"}},
            "is in the region eu-west-9",
        ),
        ({"match": "GET", "status": 400, "code": "ExpiredToken"}, "the credentials have expired"),
        ({"match": "PUT", "status": 503, "code": "SlowDown"}, "SlowDown"),
    ],
)
def test_connection_test_names_what_is_missing(
    connect: Connect, faulty_s3: FaultyS3, fault: dict[str, Any], complaint: str
) -> None:
    faulty_s3.fault(**fault)
    usable, text = connect().test_connection()
    assert not usable
    assert complaint in text


def test_connection_test_ends_when_nobody_answers(
    connect: Connect, faulty_s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_replicator.lake.probe._SECONDS", 0.3)
    faulty_s3.fault("GET", "silence", seconds=3, times=0)
    began = time.monotonic()
    usable, text = connect().test_connection()
    assert (usable, time.monotonic() - began < 3) == (False, True)
    assert "timeout" in text


def test_without_credentials_the_three_ways_are_named(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    usable, text = connect(None, None).test_connection()
    assert not usable
    assert "three ways" in text
    assert text.startswith("connection 'my_lake'")


def test_an_aws_connection_where_the_amazon_provider_is(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The provider is too large to be installed for one test: what is held here is how its hook is asked."""
    folder = tmp_path / "airflow/providers/amazon/aws/hooks"
    folder.mkdir(parents=True)
    (folder / "base_aws.py").write_text(
        "import boto3\n"
        "class AwsBaseHook:\n"
        "    def __init__(self, aws_conn_id, client_type):\n"
        "        assert (aws_conn_id, client_type) == ('my_aws', 's3')\n"
        "    def get_session(self):\n"
        f"        return boto3.Session('sandbox', {SECRET!r})\n"
    )
    import airflow.providers

    monkeypatch.setattr(
        airflow.providers, "__path__", [*airflow.providers.__path__, str(tmp_path / "airflow/providers")]
    )
    try:
        assert connect(None, None, aws_conn_id="my_aws").test_connection()[0]
    finally:
        for name in [name for name in sys.modules if name.startswith("airflow.providers.amazon")]:
            del sys.modules[name]


def test_secrets_are_in_no_log_repr_or_error(
    connect: Connect, faulty_s3: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "a-session-token-that-nobody-may-see"
    hook = connect(session_token=token)
    lake = hook.get_lake()
    shown = [repr(hook), repr(lake), str(vars(hook))]
    faulty_s3.fault("", status=403, code="AccessDenied", times=0)
    for work in (lambda: Table(lake, "t").prepare(SCHEMA), lambda: lake.objects().get("k"), lake.objects):
        try:
            shown.append(repr(work()))
        except ReplicatorError as error:
            shown += [repr(error), str(error.__cause__)]
    shown += [hook.test_connection()[1], caplog.text]
    assert "AccessDenied" in "".join(shown)
    assert [text for text in shown if SECRET in text or token in text] == []


def test_airflow_masks_what_the_connection_holds(connect: Connect) -> None:
    from airflow.sdk._shared.secrets_masker import redact

    connect(session_token="another-secret-of-this-test").get_lake()
    assert redact(f"oops {SECRET} another-secret-of-this-test") == "oops *** ***"


def test_the_form_in_airflows_own_words(tmp_path: Path, s3_server: RunningS3) -> None:
    """One real command line: a connection is added, tested, and its form and type are listed."""
    fields = {
        "conn_type": "delta_lake_s3",
        "login": "sandbox",
        "password": SECRET,
        "extra": {"bucket": "lake", "endpoint_url": s3_server.url},
    }
    result = shown("delta_lake_s3", fields, tmp_path)
    assert [hook["hook_name"] for hook in result["hooks"]] == ["Delta Lake on S3"]
    assert len(result["widgets"]) == 8
    assert "Connection success!" in result["test"]
    assert SECRET not in result["output"]
