# SPDX-License-Identifier: Apache-2.0
"""One way into a lake, read from the fields of a connection: place, region, credentials. No Airflow, no request."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.fields import Field, checked_url, flag, read_extra, text
from airflow_provider_replicator.exceptions import ConfigurationError
from airflow_provider_replicator.lake.location import Keys, Lake, S3Access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.credentials import Credentials

    KeySource = Callable[[], Keys]

THREE_WAYS = (
    "There are three ways to give credentials: access key and secret (login and password of the connection; session_token if they "
    "are temporary); the name of an Amazon Web Services connection (aws_conn_id); or boto3's default chain, that is the environment "
    "(AWS_ACCESS_KEY_ID …), a profile, or the role of the machine, pod or instance"
)
#: Bucket names of S3; other servers allow no more.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_ODD = re.compile(r"[^A-Za-z0-9_.=!-]")
_TEXT: Field = (text, "text")
#: What a connection's extra may hold: how each is read, and what it should be.
EXTRAS: Mapping[str, Field] = {
    "bucket": _TEXT,
    "prefix": _TEXT,
    "region": _TEXT,
    "endpoint_url": _TEXT,
    "session_token": _TEXT,
    "profile": _TEXT,
    "aws_conn_id": _TEXT,
    "allow_http": (flag, "true or false"),
}


def read_lake_connection(
    name: str,
    *,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any],
    aws: Callable[[str], KeySource] | None = None,
) -> Lake:
    """The lake that the connection called ``name`` leads to.

    ``extra`` may hold the names in :data:`EXTRAS` and no others. ``aws`` makes a source of keys out of ``aws_conn_id``. Credentials
    are not looked for before they are used, and then each time, so that they may be renewed meanwhile.
    Raises :class:`ConfigurationError`, which names the connection and never a secret.
    """
    try:
        return _read(login or None, password or None, read_extra(extra, EXTRAS), aws, name)
    except ConfigurationError as error:
        raise ConfigurationError(f"connection {name!r}: {error}") from None


def _read(
    login: str | None,
    password: str | None,
    extra: dict[str, Any],
    aws: Callable[[str], KeySource] | None,
    name: str,
) -> Lake:
    place = extra.get("bucket", "").rstrip("/")
    if not place:
        raise ConfigurationError("the bucket is missing: its name, or file:///folder to try things out in a folder")
    prefix = extra.get("prefix", "").strip("/")
    if place.startswith("file:"):
        return _folder(place, prefix, login or password or set(extra) - {"bucket", "prefix", "allow_http"})
    root = _s3_root(place, prefix)
    endpoint_url = extra.get("endpoint_url") or _environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    if endpoint_url is not None:
        checked_url("endpoint_url", endpoint_url, allow_http=bool(extra.get("allow_http")))
        endpoint_url = endpoint_url.rstrip("/")
    region = extra.get("region") or _region(extra.get("profile")) or ("us-east-1" if endpoint_url else None)
    if region is None:
        raise ConfigurationError("the region is missing: that of the bucket, such as eu-central-1")
    keys = _keys(login, password, extra, aws, name)
    return Lake(root, S3Access(region=region, keys=keys, endpoint_url=endpoint_url))


def _folder(place: str, prefix: str, more: object) -> Lake:
    folder = place.removeprefix("file://")
    if not (place.startswith("file:///") and folder.strip("/")):
        raise ConfigurationError("the folder is not absolute: write file:///folder")
    if more:
        raise ConfigurationError("a folder (file:///…) has no credentials, region or endpoint: leave them out")
    _checked_path("folder", folder.strip("/"))
    _checked_path("prefix", prefix)
    return Lake(f"{place}/{prefix}" if prefix else place)


def _s3_root(place: str, prefix: str) -> str:
    bucket, _, above = place.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"{bucket!r} is no name of a bucket: 3 to 63 small letters, digits, dots and dashes; the rest goes into prefix"
        )
    path = "/".join(part for part in (above, prefix) if part)
    _checked_path("prefix", path)
    return f"s3://{bucket}/{path}" if path else f"s3://{bucket}"


def _checked_path(name: str, path: str) -> None:
    """Paths that everybody spells alike: in keys, in URIs, and in the names of files."""
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") or _ODD.search(part) for part in parts):
        raise ConfigurationError(
            f"the {name} {path!r} has characters that not every reader takes: letters, digits, _.-=!/"
        )


def _environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)


def _region(profile: str | None) -> str | None:
    """What boto3 would take: the environment's, or the profile's."""
    if named := _environment("AWS_REGION", "AWS_DEFAULT_REGION"):
        return named
    region: str | None = _session(profile).region_name
    return region


def _session(profile: str | None) -> Any:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session(profile_name=profile)
    except BotoCoreError as error:  # no such profile, an unreadable file
        raise ConfigurationError(str(error)) from None


def _keys(
    login: str | None,
    password: str | None,
    extra: dict[str, Any],
    aws: Callable[[str], KeySource] | None,
    name: str,
) -> KeySource:
    token, profile, aws_conn_id = (extra.get(field) for field in ("session_token", "profile", "aws_conn_id"))
    ways = {"access key and secret": login or password or token, "profile": profile, "aws_conn_id": aws_conn_id}
    if len(given := [way for way, value in ways.items() if value]) > 1:
        raise ConfigurationError(f"there are {' and '.join(given)}: leave all but one out")
    if aws_conn_id:
        if aws is None:
            raise ConfigurationError("aws_conn_id needs Airflow: it is not known here")
        return aws(aws_conn_id)
    if given and not profile:
        parts = {"access key (login)": login, "secret key (password)": password}
        if missing := [part for part, value in parts.items() if value is None]:
            raise ConfigurationError(f"credentials are incomplete: missing is {' and '.join(missing)}. {THREE_WAYS}.")
        fixed = Keys(str(login), str(password), token)
        return lambda: fixed
    return _DefaultChain(name, profile)


class _DefaultChain:
    """boto3's default chain. It is asked when keys are first needed, kept, and renewed by botocore before they expire."""

    def __init__(self, name: str, profile: str | None) -> None:
        self._name = name
        self._profile = profile
        self._lock = threading.Lock()
        self._found: Credentials | None = None

    def __call__(self) -> Keys:
        with self._lock:
            if self._found is None:
                self._found = self._look()
        frozen = self._found.get_frozen_credentials()
        return Keys(str(frozen.access_key), str(frozen.secret_key), frozen.token)

    def _look(self) -> Credentials:
        found: Credentials | None = _session(self._profile).get_credentials()
        if found is None:
            raise ConfigurationError(f"connection {self._name!r}: there are no credentials. {THREE_WAYS}.")
        return found
