# SPDX-License-Identifier: Apache-2.0
"""What boto3 and deltalake really raise, made by a real server behind a faulty proxy: worth a retry or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from airflow_provider_replicator.exceptions import (
    LakeAccessError,
    LakeConflictError,
    LakeError,
    LakeUnavailableError,
    PermanentError,
    TransientError,
)
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.errors import lake_errors
from airflow_provider_replicator.lake.location import Keys, Lake
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lake.faulty_s3 import FaultyS3

SCHEMA = TableSchema(columns=(Column(name="id", kind="int64"),))


def quick(lake: Lake) -> Lake:
    assert lake.access is not None
    return replace(lake, access=replace(lake.access, attempts=1, read_timeout=0.5))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 503, "code": "SlowDown"}, LakeUnavailableError),
        ({"status": 429, "code": "TooManyRequests"}, LakeUnavailableError),
        ({"status": 400, "code": "ExpiredToken"}, LakeUnavailableError),
        ({"status": 403, "code": "ExpiredToken"}, LakeUnavailableError),
        ({"status": 403, "code": "RequestTimeTooSkewed"}, LakeUnavailableError),
        ({"kind": "cut"}, LakeUnavailableError),
        ({"kind": "silence", "seconds": 2}, LakeUnavailableError),
        ({"status": 403, "code": "AccessDenied"}, LakeAccessError),
        ({"status": 403, "code": "SignatureDoesNotMatch"}, LakeAccessError),
        ({"status": 404, "code": "NoSuchBucket"}, LakeAccessError),
        ({"status": 400, "code": "AuthorizationHeaderMalformed"}, LakeAccessError),
        ({"status": 501, "code": "NotImplemented"}, LakeError),
        ({"status": 400, "code": "InvalidRequest"}, LakeError),
    ],
)
def test_plain_objects(faulty_lake: Lake, faulty_s3: FaultyS3, fault: dict[str, Any], expected: type) -> None:
    objects = quick(faulty_lake).objects()
    faulty_s3.fault("", times=0, **fault)
    for work in (lambda: objects.put("k", b"1"), lambda: objects.get("k"), lambda: list(objects.list(""))):
        with pytest.raises(expected):
            work()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 500, "code": "InternalError"}, LakeUnavailableError),
        ({"status": 400, "code": "ExpiredToken"}, LakeUnavailableError),
        ({"status": 403, "code": "AccessDenied"}, LakeAccessError),
        ({"status": 404, "code": "NoSuchBucket"}, LakeAccessError),
        ({"status": 301, "code": "PermanentRedirect"}, LakeAccessError),
        ({"status": 400, "code": "InvalidRequest"}, LakeError),
    ],
)
def test_tables(faulty_lake: Lake, faulty_s3: FaultyS3, fault: dict[str, Any], expected: type) -> None:
    table = Table(faulty_lake, "t")
    handle = table.prepare(SCHEMA)
    faulty_s3.fault("PUT", times=0, **fault)
    with pytest.raises(expected, match="append to t: ") as raised:
        table.append(handle, pa.table({"id": [1]}))
    assert "\x1b" not in str(raised.value)
    faulty_s3.clear()
    table.append(handle, pa.table({"id": [1]}))


def test_a_table_that_cannot_be_looked_for_is_not_a_missing_table(faulty_lake: Lake, faulty_s3: FaultyS3) -> None:
    table = Table(faulty_lake, "t")
    table.prepare(SCHEMA)
    for status, code in ((403, "AccessDenied"), (400, "InvalidRequest")):
        faulty_s3.clear()
        faulty_s3.fault("", times=0, status=status, code=code)
        with pytest.raises(PermanentError, match="open t: "):
            table.open()


def test_nobody_there(new_s3_lake: Callable[..., Lake]) -> None:
    lake = quick(new_s3_lake(endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(LakeUnavailableError, match="Could not connect"):
        lake.objects().get("k")
    with pytest.raises(LakeUnavailableError):
        Table(lake, "t").open()


def test_wrong_keys_are_said_without_the_secret(new_s3_lake: Callable[..., Lake]) -> None:
    lake = new_s3_lake(keys=lambda: Keys("sandbox", "a-wrong-secret"))
    with pytest.raises(LakeAccessError, match="SignatureDoesNotMatch") as raised:
        Table(lake, "t").prepare(SCHEMA)
    assert "a-wrong-secret" not in str(raised.value)


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where a folder should be")
    lake = Lake(f"file://{tmp_path}/lake")
    with pytest.raises(PermanentError):
        lake.objects().put("k", b"1")
    with pytest.raises(PermanentError):
        Table(lake, "t").prepare(SCHEMA)


def test_numbers_and_words_of_the_data_are_no_reason_to_retry() -> None:
    for text in ("row 503 of file 403 does not fit", "column connection is text", "value 'Forbidden' in version 500"):
        with pytest.raises(LakeError), lake_errors("append"):
            raise ValueError(text)


def test_what_is_ours_stays_as_it_is() -> None:
    with pytest.raises(KeyError), lake_errors("append"):
        raise KeyError("x")
    with pytest.raises(LakeConflictError), lake_errors("outer"), lake_errors("inner"):
        raise OSError("Failed to commit transaction: Concurrent transaction failed.")
    assert issubclass(LakeConflictError, TransientError)


def test_a_panic_of_the_library_does_not_end_the_interpreter() -> None:
    class PanicException(BaseException):  # what pyo3 calls it
        pass

    with pytest.raises(LakeError, match="write: oops"), lake_errors("write"):
        raise PanicException("oops")
    with pytest.raises(KeyboardInterrupt), lake_errors("write"):
        raise KeyboardInterrupt


def test_signed_headers_are_not_quoted() -> None:
    with pytest.raises(LakeError) as raised, lake_errors("write"):
        raise OSError(
            "bad Credential=AKIA123/2026, Signature=abcdef X-Amz-Security-Token=tok&x <AWSAccessKeyId>AKIA9</"
        )
    assert not [secret for secret in ("AKIA123", "abcdef", "tok", "AKIA9") if secret in str(raised.value)]
