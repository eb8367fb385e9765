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
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|AllAccessDisabled|AccountProblem|InvalidToken\b|NoSuchBucket"
    r"|403 Forbidden|401 Unauthorized|lacked the necessary privileges|Permission denied|Read-only file system"
)
_EXPIRED = re.compile(r"ExpiredToken|TokenRefreshRequired|RequestTimeTooSkewed|token.{0,20}expired", re.IGNORECASE)
_WRONG_REGION = re.compile(
    r"PermanentRedirect|AuthorizationHeaderMalformed|redirect without LOCATION|IllegalLocationConstraint"
)
#: Numbers only beside the words that say what they are: messages quote rows and values, too.
_PASSING = re.compile(
    r"status code\W{1,5}(?:5(?!01)\d\d|429|408)|\((?:5\d\d|429)\)|SlowDown|InternalError|ServiceUnavailable|RequestTimeout\b"
    r"|ThrottlingException|TooManyRequests|(?<!retry_)time(?:d )?out|error sending request|tcp connect error|dns error"
    r"|reset by peer|broken pipe|connection (?:closed|reset|refused|aborted|error|was closed)|incomplete ?(?:read|message)"
    r"|unexpected end of file|error decoding response body",
    re.IGNORECASE,
)
#: What botocore raises when there was no answer, or not all of it.
_PASSING_TYPES = frozenset(
    {"HTTPClientError", "IncompleteReadError", "CredentialRetrievalError", "ConnectionError", "TimeoutError"}
)
_CONFLICT = re.compile(r"\bconflict|concurrent|version \d+ already exists", re.IGNORECASE)
#: What must not appear in a message: S3 errors may quote the key id and signed headers.
_SECRETS = re.compile(r"(Credential=|Signature=|X-Amz-[A-Za-z-]+=|AWSAccessKeyId>?=?)[^\s,&<\"']+")
#: deltalake's messages are made for terminals.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


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
    names = {kind.__name__ for kind in type(error).__mro__}
    if _EXPIRED.search(text):
        return LakeUnavailableError(
            f"{sentence} (the credentials have expired: a retry takes new ones where there are any)"
        )
    if _WRONG_REGION.search(text):
        return LakeAccessError(f"{sentence} (the region of the connection is not that of the bucket)")
    if _DENIED.search(text) or "PermissionError" in names:
        return LakeAccessError(sentence)
    if ("CommitFailedError" in names and not _PASSING.search(text)) or _CONFLICT.search(text):
        return LakeConflictError(sentence)
    if names & _PASSING_TYPES or _PASSING.search(text):
        return LakeUnavailableError(sentence)
    return LakeError(sentence)


def _text(error: BaseException) -> str:
    text = _SECRETS.sub(r"\1…", " ".join(_COLOURS.sub("", str(error)).split()))
    return text if len(text) <= 1000 else text[:999] + "…"
