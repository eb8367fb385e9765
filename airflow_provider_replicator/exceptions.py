# SPDX-License-Identifier: Apache-2.0
"""Every error of the package.

::

    ReplicatorError
    ├── PermanentError                 a retry cannot help: somebody has to change something
    │   ├── ConfigurationError         an argument, a connection field or a file is wrong (also a ValueError)
    │   │   └── WindowError            the window is reversed, half given or unreadable
    │   ├── CdfRequestError            the API refused the request: 400, 404, 409, 413, 422
    │   │   └── CdfDuplicatedError     the refusal is "these already exist"
    │   ├── CdfAccessError             401 or 403: never retried, identity providers lock accounts
    │   ├── DeleteGuardError           a delete was asked for that the guards do not allow
    │   ├── CircuitOpenError           several batches in a row were refused whole for one reason
    │   ├── PartialReplicationError    everything that could be copied was; some objects could not
    │   ├── VerificationError          source and target differ
    │   ├── LakeAccessError            the object store refused: credentials, permissions, no such bucket
    │   ├── LakeError                  a table or an object cannot be read or written, and waiting does not help
    │   ├── SchemaChangedError         a table cannot follow the source: a column changed its type, or may not be added
    │   ├── CouchRequestError          a CouchDB server refused the request: 400, 404, 409, 412, 413 …
    │   │   ├── CouchNotFoundError     404: no such database or document
    │   │   ├── CouchConflictError     409 or 412: it exists already, or somebody else changed it first
    │   │   └── CouchTooLargeError     the answer is larger than the bound that was set for it
    │   ├── CouchAccessError           401 or 403 of a CouchDB server: never retried, servers lock accounts
    │   └── ReplicationFailedError     a replication job cannot get on without somebody changing something
    └── TransientError                 the same call may succeed later
        ├── CdfUnavailableError        429 or 5xx after the transport gave up
        ├── CdfConnectionError         no answer: connect error, reset, timeout, truncated body
        ├── LakeUnavailableError       the object store did not answer, or not in time
        ├── LakeConflictError          somebody else wrote to the table first; nothing of this write is in it
        ├── CouchUnavailableError      429 or 5xx of a CouchDB server after the client gave up
        ├── CouchConnectionError       no whole answer of a CouchDB server
        └── ReplicationStalledError    a replication job did not get on within the limits that were set for it

The two branches are what :mod:`airflow_provider_replicator.retry_policy` tells Airflow: permanent errors fail the task at
once, transient ones are retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ReplicatorError(Exception):
    """Root of every error this package raises on purpose."""


class PermanentError(ReplicatorError):
    """A retry cannot help."""


class TransientError(ReplicatorError):
    """The same call may succeed later."""


class ConfigurationError(PermanentError, ValueError):
    """An argument, a connection field or a file is wrong; the message says which one and what to write instead."""


class WindowError(ConfigurationError):
    """The window is reversed, half given or unreadable."""


class CdfRequestError(PermanentError):
    """CDF refused the content of a request (400, 404, 409, 413, 422).

    ``missing`` and ``duplicated`` hold the identifiers the API named, as it named them. ``unknown_outcome_before`` is true when
    an earlier attempt of this very request got no answer (timeout, 5xx, reset), so that the server may already have
    committed it: a "duplicated" answer is then expected and means done.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        path: str,
        request_id: str | None = None,
        missing: Sequence[Mapping[str, Any]] = (),
        duplicated: Sequence[Mapping[str, Any]] = (),
        unknown_outcome_before: bool = False,
    ) -> None:
        super().__init__(f"{path}: {status} {message}" + (f" (request id {request_id})" if request_id else ""))
        self.status = status
        self.message = message
        self.path = path
        self.request_id = request_id
        self.missing = list(missing)
        self.duplicated = list(duplicated)
        self.unknown_outcome_before = unknown_outcome_before


class CdfDuplicatedError(CdfRequestError):
    """The refusal says that some of the objects already exist (``duplicated`` names them)."""


class CdfAccessError(PermanentError):
    """401 or 403. Never retried."""

    def __init__(self, status: int, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {status} {message}")
        self.status = status
        self.message = message
        self.path = path


class DeleteGuardError(PermanentError):
    """A delete was asked for that the guards do not allow. Nothing was deleted."""


class CircuitOpenError(PermanentError):
    """Several batches in a row were refused whole for the same reason; the rest was not tried."""


class PartialReplicationError(PermanentError):
    """Some objects could not be copied; all others were. ``report`` is the report as a dictionary."""

    def __init__(self, message: str, report: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.report = dict(report)


class VerificationError(PermanentError):
    """Source and target differ. ``differences`` are the first of them, ready to print; ``report`` has the counts."""

    def __init__(self, message: str, differences: Sequence[str], report: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.differences = list(differences)
        self.report = dict(report or {})


class LakeAccessError(PermanentError):
    """The object store refused: wrong credentials, missing permissions, no such bucket."""


class LakeError(PermanentError):
    """A table or an object cannot be read or written, and waiting does not help."""


class SchemaChangedError(PermanentError):
    """A table cannot follow its source: a column changed its type, or columns may not be added. The message says what to do."""


class LakeUnavailableError(TransientError):
    """The object store did not answer, answered 5xx or 503 "slow down", or the credentials have just expired."""


class LakeConflictError(TransientError):
    """Somebody else wrote to the table first. Nothing of this write is in the table; the next try sees what they wrote."""


class CdfUnavailableError(TransientError):
    """429 or 5xx, and the transport's own retries are used up."""

    def __init__(self, status: int, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {status} {message}")
        self.status = status
        self.path = path


class CdfConnectionError(TransientError):
    """No usable answer: connect error, reset, timeout or truncated body, and the transport's own retries are used up."""


class _CouchAnswerError(ReplicatorError):
    """What a CouchDB server answered. ``error`` and ``reason`` are its words; the request's body is not kept."""

    def __init__(self, status: int, error: str, reason: str, *, path: str) -> None:
        super().__init__(f"{path}: {status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason
        self.path = path


class CouchRequestError(_CouchAnswerError, PermanentError):
    """A CouchDB server refused the request."""


class CouchNotFoundError(CouchRequestError):
    """404: no such database or document."""


class CouchConflictError(CouchRequestError):
    """409 or 412: it exists already, or somebody else changed it first."""


class CouchTooLargeError(CouchRequestError):
    """The answer is larger than ``max_bytes`` of the request: whoever set that bound asks for less. ``status`` is 413."""


class CouchAccessError(_CouchAnswerError, PermanentError):
    """401 or 403 of a CouchDB server. Never retried: five wrong passwords lock an account."""


class CouchUnavailableError(_CouchAnswerError, TransientError):
    """429 or 5xx of a CouchDB server, and the client's own retries are used up."""


class CouchConnectionError(TransientError):
    """No whole answer: connect error, reset, timeout or cut body, and the client's own retries are used up.

    ``sent`` is false only if the server certainly has not seen the request (connection refused).
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class _JobError(ReplicatorError):
    """``report`` is what is known of a replication job, without secrets."""

    def __init__(self, message: str, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.report = dict(report or {})


class ReplicationFailedError(_JobError, PermanentError):
    """A replication job cannot get on without somebody changing something. ``report`` is what is known of it, without secrets."""


class ReplicationStalledError(_JobError, TransientError):
    """A replication job did not get on within the limits that were set for it. ``report`` as above."""
