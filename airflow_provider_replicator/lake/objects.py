# SPDX-License-Identifier: Apache-2.0
"""Plain objects beside the tables: cursors, manifests, published files. On S3, or in a folder with the same promises.

A put is atomic: a reader sees the old object or the new one, never half of one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from airflow_provider_replicator.lake.errors import lake_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from airflow_provider_replicator.lake.location import Lake

#: Keys of one page of a list, and of one DeleteObjects request.
_PAGE = 1000
#: At the level DEBUG these write session tokens into the log.
_LOUD = ("botocore.auth", "botocore.endpoint")
#: Parts of one upload at a time, 8 MB each in memory.
_PARTS_IN_FLIGHT = 4
#: Bytes that the store is asked to copy in one request: a third less time than in parts of 8 MB, and less than a request may take.
_COPIED_AT_ONCE = 256 << 20
#: Bytes of a file that are read at a time.
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """``key`` is relative to the lake's root."""

    key: str
    size: int
    modified: datetime


class Objects(Protocol):
    """Keys are paths relative to the lake's root, with ``/``. Raises the errors of :mod:`~airflow_provider_replicator.lake.errors`."""

    def get(self, key: str) -> bytes | None:
        """The content; None if there is no such object."""

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create; False if there already is one of other content. The answer to a put that was repeated is the same."""

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        """The content and a tag that any other content would not have; None if there is no such object."""

    def put_if_same(self, key: str, data: bytes, tag: str) -> bool:
        """Replace what :meth:`get_tagged` saw; False if it is another object by now, or gone. Repeated: as put_if_absent."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of what is one level below ``prefix`` (which ends with a slash, or is empty) and has something in it."""

    def upload(self, key: str, file: BinaryIO, *, whole: Path | None = None) -> None:
        """Create or replace from an open file of any size, from its position on. Whether it is closed afterwards is not said.

        ``whole``: where all of it lies once it was read to its end; nobody may write there afterwards.
        """

    def open(self, key: str) -> BinaryIO:
        """The object as a file to read here and there; each read of S3 is a request. Raises LakeError if there is none."""

    def copy(self, source: str, target: str) -> None:
        """Create or replace ``target`` with the content of ``source``, without moving bytes through here."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Everything whose key begins with ``prefix``, in the order of the store (not every S3 sorts as Amazon's does)."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove; missing ones are fine."""

    def abandon_uploads(self, prefix: str) -> None:
        """Remove what of uploads to keys that begin with ``prefix`` was sent and never finished, because their sender was killed."""


class S3Objects:
    """Over boto3. The client renews its credentials by itself where they come from the default chain."""

    def __init__(self, lake: Lake) -> None:
        assert lake.access is not None
        self._bucket = lake.bucket
        self._prefix = f"{lake.prefix}/" if lake.prefix else ""
        self.client = _client(lake)

    def get(self, key: str) -> bytes | None:
        with lake_errors(f"read {key}"):
            try:
                answer = self.client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            except self.client.exceptions.NoSuchKey:
                return None
            data: bytes = answer["Body"].read()
            return data

    def put(self, key: str, data: bytes) -> None:
        with lake_errors(f"write {key}"):
            self.client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        with lake_errors(f"write {key}"):
            try:
                self.client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                    raise
                # Perhaps our own: the answer to the first attempt was lost.
                return self.get(key) == data
        return True

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        with lake_errors(f"read {key}"):
            try:
                answer = self.client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            except self.client.exceptions.NoSuchKey:
                return None
            return answer["Body"].read(), answer["ETag"]

    def put_if_same(self, key: str, data: bytes, tag: str) -> bool:
        from botocore.exceptions import ClientError

        with lake_errors(f"write {key}"):
            try:
                self.client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, IfMatch=tag)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 409, 412):
                    raise
                return self.get(key) == data
        return True

    def folders(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, Delimiter="/"
        )
        with lake_errors(f"list {prefix}"):
            for page in pages:
                for found in page.get("CommonPrefixes", ()):
                    yield found["Prefix"].removeprefix(self._prefix + prefix).rstrip("/")

    def upload(self, key: str, file: BinaryIO, *, whole: Path | None = None) -> None:
        from boto3.s3.transfer import TransferConfig

        with lake_errors(f"write {key}"):
            few = TransferConfig(max_concurrency=_PARTS_IN_FLIGHT)
            few.max_in_memory_upload_chunks = _PARTS_IN_FLIGHT  # s3transfer's own setting, 10, that boto3 does not show
            self.client.upload_fileobj(file, self._bucket, self._prefix + key, Config=few)

    def open(self, key: str) -> BinaryIO:
        from airflow_provider_replicator.lake.ranges import RangeReader

        return cast("BinaryIO", RangeReader(self.client, self._bucket, self._prefix + key))

    def copy(self, source: str, target: str) -> None:
        from boto3.s3.transfer import TransferConfig

        with lake_errors(f"copy {source} to {target}"):
            origin = {"Bucket": self._bucket, "Key": self._prefix + source}
            large = TransferConfig(multipart_threshold=_COPIED_AT_ONCE, multipart_chunksize=_COPIED_AT_ONCE)
            self.client.copy(origin, self._bucket, self._prefix + target, Config=large)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, PaginationConfig={"PageSize": _PAGE}
        )
        with lake_errors(f"list {prefix}"):
            for page in pages:
                for found in page.get("Contents", ()):
                    key = found["Key"].removeprefix(self._prefix)
                    yield ObjectInfo(key, found["Size"], found["LastModified"])

    def delete(self, keys: Iterable[str]) -> None:
        remaining = [{"Key": self._prefix + key} for key in keys]
        with lake_errors("delete objects"):
            while remaining:
                batch, remaining = remaining[:_PAGE], remaining[_PAGE:]
                answer = self.client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
                if failed := answer.get("Errors"):
                    raise OSError(f"{failed[0].get('Key')}: {failed[0].get('Code')} {failed[0].get('Message')}")

    def abandon_uploads(self, prefix: str) -> None:
        with lake_errors(f"abandon uploads to {prefix}"):
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                for found in page.get("Uploads", ()):
                    with suppress(self.client.exceptions.NoSuchUpload):
                        self.client.abort_multipart_upload(
                            Bucket=self._bucket, Key=found["Key"], UploadId=found["UploadId"]
                        )


@lru_cache(maxsize=8)  # making one takes a tenth of a second, and every stream into a table asks for one
def _client(lake: Lake) -> Any:
    """A boto3 client whose credentials are those of ``lake``, asked again when they run out. Threads may share it."""
    import boto3
    from botocore.config import Config
    from botocore.credentials import DeferredRefreshableCredentials
    from botocore.session import Session

    access = lake.access
    assert access is not None
    for name in _LOUD:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))

    def current() -> dict[str, Any]:
        keys = access.keys()
        # botocore asks again a quarter of an hour before this: the source of the keys knows when they really expire.
        expires = datetime.now(UTC) + timedelta(minutes=20)
        return {
            "access_key": keys.access_key,
            "secret_key": keys.secret_key,
            "token": keys.session_token,
            "expiry_time": expires.isoformat(),
        }

    # The keys are known: a profile that the environment names is for others, and perhaps not there.
    session = Session(session_vars={"profile": (None, None, None, None)})
    session._credentials = DeferredRefreshableCredentials(current, "lake")  # type: ignore[attr-defined]
    return boto3.session.Session(botocore_session=session, region_name=access.region).client(
        "s3",
        endpoint_url=access.endpoint_url,
        config=Config(
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            retries={"mode": "standard", "total_max_attempts": access.attempts},
            # Other S3 servers than Amazon's know neither trailing checksums nor virtual hosts.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"} if access.endpoint_url else {},
        ),
    )


class LocalObjects:
    """In a folder: for trying out. Files appear whole, by renaming."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> bytes | None:
        with lake_errors(f"read {key}"):
            try:
                return (self._folder / key).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, key: str, data: bytes) -> None:
        with lake_errors(f"write {key}"):
            temporary = self._temporary(key)
            temporary.write_bytes(data)
            temporary.replace(self._folder / key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with lake_errors(f"write {key}"):
            temporary = self._temporary(key)
            temporary.write_bytes(data)
            try:
                os.link(temporary, self._folder / key)
            except FileExistsError:
                return self.get(key) == data
            finally:
                temporary.unlink()
        return True

    def get_tagged(self, key: str) -> tuple[bytes, str] | None:
        data = self.get(key)
        return None if data is None else (data, hashlib.sha256(data).hexdigest())

    def put_if_same(self, key: str, data: bytes, tag: str) -> bool:
        with lake_errors(f"write {key}"), self._alone(key):
            there = self.get_tagged(key)
            if there is None or there[1] != tag:
                return there is not None and there[0] == data
            self.put(key, data)
            return True

    def folders(self, prefix: str) -> Iterator[str]:
        with lake_errors(f"list {prefix}"):
            above = self._folder / prefix
            if above.is_dir():
                yield from sorted(folder.name for folder in above.iterdir() if folder.is_dir())

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """One process at a time, per folder. The lock goes with the process that has it."""
        import fcntl

        folder = (self._folder / key).parent
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def upload(self, key: str, file: BinaryIO, *, whole: Path | None = None) -> None:
        with lake_errors(f"write {key}"):
            temporary = self._temporary(key)
            try:
                if whole is None:
                    with temporary.open("wb") as target:
                        shutil.copyfileobj(file, target, _READ)
                else:
                    while file.read(_READ):
                        pass  # whoever counts what is read has to see all of it
                    _same_content(whole, temporary)
                temporary.replace(self._folder / key)
            finally:
                temporary.unlink(missing_ok=True)  # reading has failed

    def open(self, key: str) -> BinaryIO:
        with lake_errors(f"read {key}"):
            return (self._folder / key).open("rb")

    def copy(self, source: str, target: str) -> None:
        with lake_errors(f"copy {source} to {target}"):
            temporary = self._temporary(target)
            try:
                _same_content(self._folder / source, temporary)
                temporary.replace(self._folder / target)
            finally:
                temporary.unlink(missing_ok=True)  # where both already were one file, replacing does nothing

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        above = self._folder / prefix.rpartition("/")[0]
        with lake_errors(f"list {prefix}"):
            for file in sorted(above.rglob("*")):
                key = file.relative_to(self._folder).as_posix()
                if not key.startswith(prefix) or file.name.startswith(".tmp-"):
                    continue
                try:
                    status = file.stat()
                except FileNotFoundError:  # somebody has just removed it
                    continue
                if not S_ISDIR(status.st_mode):
                    yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, keys: Iterable[str]) -> None:
        with lake_errors("delete files"):
            for key in keys:
                with suppress(FileNotFoundError):
                    (self._folder / key).unlink()

    def abandon_uploads(self, prefix: str) -> None:
        above = self._folder / prefix.rpartition("/")[0]
        with lake_errors(f"abandon uploads to {prefix}"):
            for file in above.rglob(".tmp-*"):
                file.unlink(missing_ok=True)

    def _temporary(self, key: str) -> Path:
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.parent / f".tmp-{secrets.token_hex(8)}"


def _same_content(source: Path, target: Path) -> None:
    """Nobody writes into a file once it is there, so a second name for it is a copy; where there are no such names, a real one."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
