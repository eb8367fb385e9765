# SPDX-License-Identifier: Apache-2.0
"""Dead letters: objects that could not be copied, whole and with the reason, as JSON lines from which a run can replay them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

    from airflow_provider_replicator.core.report import Report

#: Dead letters quoted in the error message; the report names more, the file has all.
_QUOTED = 3


class DeadLetters:
    """Counts refused objects in ``report`` and, if ``path`` is given, appends each one to that file as a line of JSON::

        {"resource", "key", "reason", "document", "source", "target", "time"}

    The file is made when the first object is refused, and each line is flushed: what was added before a crash is there after it.
    A file that already exists is continued. Use as a context manager, or call :meth:`close`.
    """

    def __init__(self, report: Report, path: str | None = None, max_failed: int = 0) -> None:
        self._report = report
        self._path = None if path is None else Path(path)
        self._max_failed = max_failed
        self._file: TextIO | None = None

    def add(self, resource: str, key: str, document: Any, reason: str) -> None:
        """One object that the target refused, or that could not be read. ``document`` is the whole source object."""
        self._report.dead_letter(key, reason)
        if self._path is None:
            return
        line = {
            "resource": resource,
            "key": key,
            "reason": reason,
            "document": document,
            "source": self._report.source,
            "target": self._report.target,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        file = self._open(self._path)
        file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        file.flush()

    def _open(self, path: Path) -> TextIO:
        if self._file is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        return self._file

    def raise_if_too_many(self) -> None:
        """At the end of a run, when everything else is written. Raises PartialReplicationError above ``max_failed``."""
        failed = self._report.failed
        if failed <= self._max_failed:
            return
        quoted = "; ".join(self._report.dead_letters[:_QUOTED])
        where = f"; all of them, whole, in {self._path}" if self._path is not None else ""
        raise PartialReplicationError(
            f"{self._report.resource}: {failed} of {self._report.read} could not be copied "
            f"(max_failed={self._max_failed}), the rest was: {quoted}{'; …' if failed > _QUOTED else ''}{where}",
            self._report.as_dict(),
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> DeadLetters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def keys_in(path: str, resource: str) -> tuple[str, ...]:
    """The keys of the dead letters of ``resource`` in a file, each once, in their order; empty if it has none of them.

    A line that a crash cut short at the end of the file is passed over: its object was not counted as looked at either.
    Raises ConfigurationError for a file that cannot be read or is something else.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read dead letters from {path}: {error}") from error
    keys: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        try:
            letter = json.loads(line)
            if letter["resource"] == resource:
                keys[str(letter["key"])] = None
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise ConfigurationError(f"{path}, line {number}: not a dead letter ({error!r})") from error
    return tuple(keys)
