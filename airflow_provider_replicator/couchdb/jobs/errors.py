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

_DUPLICATE = re.compile(
    r"Replication `(?P<job>[^`]*)` specified by document `(?P<mine>.*?)`(?: in db `.*?`)? already started, "
    r"triggered by document `(?P<document>.*)` from db `(?P<database>.*?)`",
    re.DOTALL,
)
#: In order: the first class with a match holds. A fault of the network inside a failed login is transient, not fatal.
_TEXTS: tuple[tuple[ErrorClass, re.Pattern[str]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The document that runs the same replication, as the server names it. ``database``: the replicator database it is in."""

    doc_id: str
    database: str
    job_id: str | None = None


def classify(text: str | None) -> ErrorClass:
    """The class of ``info.error``."""
    raise NotImplementedError


def duplicate_of(text: str | None) -> Duplicate | None:
    """The other document, if ``text`` says that there is one."""
    raise NotImplementedError


def advice(text: str | None) -> str:
    """One sentence on what to do about it, for an error message; empty if there is nothing to say."""
    raise NotImplementedError


def redacted(text: Any) -> str:
    """``text`` without credentials in URLs and headers, and cut to a length that fits a log line."""
    raise NotImplementedError
