# SPDX-License-Identifier: Apache-2.0
"""What boto3, deltalake and Polars raise, as the errors of this package: with a retry or without."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_replicator.exceptions import (
    LakeAccessError,
    LakeConflictError,
    LakeError,
    LakeUnavailableError,
    ReplicatorError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Credentials, and things that only a person can change. Expired tokens are told apart: a retry gets new ones.
_DENIED = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|AllAccessDisabled|NoSuchBucket|\b403\b|Unauthorized|Forbidden"
    r"|Permission denied|Read-only file system"
)
_EXPIRED = re.compile(r"ExpiredToken|TokenRefreshRequired|RequestTimeTooSkewed|token.{0,20}expired", re.IGNORECASE)
_PASSING = re.compile(
    r"\b5\d\d\b|\b429\b|SlowDown|InternalError|ServiceUnavailable|RequestTimeout|timed? ?out|connection|connect error"
    r"|error sending request|reset by peer|broken pipe|Max retries|retries|EndpointConnectionError|dispatch failure",
    re.IGNORECASE,
)
_CONFLICT = re.compile(r"conflict|Concurrent|concurrent transaction|version \d+ already exists", re.IGNORECASE)
#: What must not appear in a message: S3 errors may quote the key id and signed headers.
_SECRETS = re.compile(r"(Credential=|Signature=|X-Amz-[A-Za-z-]+=|AWSAccessKeyId>?=?)[^\s,&<\"']+")


@contextmanager
def lake_errors(what: str) -> Iterator[None]:
    """Raise the package's error for whatever a library raises. ``what`` is said first: "write tables/x: …".

    Rust panics (a BaseException) become errors as well: they are bugs of a library, not a reason to end the interpreter.
    """
    try:
        yield
    except ReplicatorError:
        raise
    except (AssertionError, TypeError, KeyError, NameError, AttributeError):
        raise  # ours
    except Exception as error:
        raise _translated(what, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise LakeError(f"{what}: {_text(error)}") from None


def _translated(what: str, error: Exception) -> ReplicatorError:
    text = _text(error)
    sentence = f"{what}: {text}"
    if type(error).__name__ == "CommitFailedError" or _CONFLICT.search(text):
        return LakeConflictError(sentence)
    if _EXPIRED.search(text):
        return LakeUnavailableError(
            f"{sentence} (the credentials have expired: a retry takes new ones where there are any)"
        )
    if _DENIED.search(text):
        return LakeAccessError(sentence)
    if isinstance(error, ConnectionError | TimeoutError) or _PASSING.search(text):
        return LakeUnavailableError(sentence)
    return LakeError(sentence)


def _text(error: BaseException) -> str:
    text = _SECRETS.sub(r"\1…", " ".join(str(error).split()))
    return text if len(text) <= 1000 else text[:999] + "…"
