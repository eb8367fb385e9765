# SPDX-License-Identifier: Apache-2.0
"""What a server says when a replication goes wrong, sorted by what can be done about it.

``fatal``: waiting makes it worse (wrong passwords lock accounts). ``grace``: seldom passes, so a crash or two are allowed.
``transient``: passes, or not, within the limits of the wait. ``duplicate``: another document does the same. ``unknown`` is treated
as transient: no text that nobody has seen yet fails a replication at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

ErrorClass = Literal["fatal", "grace", "transient", "duplicate", "unknown"]

#: Characters of a server's text that are kept.
_CHARS = 600

_DUPLICATE = re.compile(
    r"Replication `(?P<job>[^`]*)` specified by document `.*` already started, "
    r"triggered by document `(?P<document>.*)` from db `(?P<database>[^`]*)`",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Known:
    kind: ErrorClass
    pattern: re.Pattern[str]
    advice: str


def _known(kind: ErrorClass, pattern: str, advice: str = "") -> _Known:
    return _Known(kind, re.compile(pattern, re.IGNORECASE | re.DOTALL), advice)


_REFUSED = (
    "the server that runs the job was refused: check login and password of the source's and the target's connection"
)
_SILENT = "the server that runs the job does not reach the other one: check replication_url, the address as that server sees it"
#: In order: the first that matches holds. Faults of the network come first, as they also occur inside of failed logins.
_TEXTS: tuple[_Known, ...] = (
    _known("duplicate", _DUPLICATE.pattern),
    _known(
        "transient",
        r"already running as a transient replication",
        "somebody has started it with POST /_replicate: cancel that, or wait for its end",
    ),
    _known("transient", r"econnrefused|nxdomain|conn_failed|could not resolve", _SILENT),
    _known("transient", r"session_request_failed|timeout|timedout|max_backoff|sel_conn_closed|connection_clos"),
    _known("fatal", r"session_request_unauthorized|session_request_forbidden|session_requires_valid_user", _REFUSED),
    _known("fatal", r"^\W*(unauthorized|forbidden)\b", _REFUSED),
    _known("fatal", r"\{http_error_code,\s*40[13]\b|\{changes_req_failed,\s*40[13]\b", _REFUSED),
    _known("fatal", r"local_endpoints_not_supported|invalid url|parse_url", "the address of an endpoint is not a URL"),
    _known(
        "grace", r"db_not_found|no_db_file", "a database does not exist: write its name right, or set create_target"
    ),
    _known("grace", r"changes_req_failed,\s*400", "the source refused since_seq: it is no sequence of that database"),
    _known("grace", r"couldn.t open document .*_design/", "the filter's design document is not in the source database"),
    _known(
        "grace",
        r"checkpoint.*(forbidden|unauthorized)",
        "checkpoints are written to both databases: allow it, or set use_checkpoints to false",
    ),
    _known("transient", r"http_request_failed|revs_diff_failed|bulk_docs_failed|http_error_code|changes_req_failed"),
    _known("transient", r"instance_start_time|checkpoint_commit_failure"),
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\w://)[^/\s\"'@]*:[^\s\"'/]*@"), r"\1***@"),
    (re.compile(r"\b(Basic|Bearer)\s+[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"(AuthSession|api_?key|password)(\W{1,9})[\w.~+/=%-]{4,}", re.IGNORECASE), r"\1\2***"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The document that runs the same replication, as the server names it. ``database``: the replicator database it is in."""

    doc_id: str
    database: str
    job_id: str | None = None


def classify(text: str | None) -> ErrorClass:
    """The class of ``info.error``; "unknown" also for none."""
    found = _find(text)
    return "unknown" if found is None else found.kind


def duplicate_of(text: str | None) -> Duplicate | None:
    """The other document, if ``text`` says that there is one."""
    found = _DUPLICATE.search(text or "")
    if found is None:
        return None
    return Duplicate(doc_id=found["document"], database=found["database"], job_id=found["job"] or None)


def advice(text: str | None) -> str:
    """One sentence on what to do about it, for an error message; empty if there is nothing to say."""
    found = _find(text)
    return "" if found is None else found.advice


def end_of(text: str | None, source_url: str, target_url: str) -> Literal["source", "target"] | None:
    """Which end ``text`` is about: the one whose address it holds, or whose server's; None: no telling."""
    for cut in (_database, _server):
        ends: dict[str, Literal["source", "target"]] = {cut(source_url): "source"}
        if cut(target_url) in ends:
            continue
        ends[cut(target_url)] = "target"
        named = [end for url, end in ends.items() if url and re.search(re.escape(url) + r"(?![\w%.:-])", text or "")]
        if len(named) == 1:
            return named[0]
    return None


def _database(url: str) -> str:
    return url.rstrip("/")


def _server(url: str) -> str:
    return url.rpartition("/")[0]


def redacted(text: Any) -> str:
    """``text`` on one line, without credentials in URLs and headers, and short enough for a log."""
    line = " ".join(str(text).split())
    for pattern, shown in _SECRETS:
        line = pattern.sub(shown, line)
    return line if len(line) <= _CHARS else line[: _CHARS - 1] + "…"


def _find(text: str | None) -> _Known | None:
    return next((known for known in _TEXTS if known.pattern.search(text or "")), None) if text else None
