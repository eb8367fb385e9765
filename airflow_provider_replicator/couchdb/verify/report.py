# SPDX-License-Identifier: Apache-2.0
"""What a verification found, in numbers and in sentences that say what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["counts", "pending", "revisions", "bodies"]
#: Missing documents that are named. The others are counted.
MAX_SAMPLE = 100
#: Bytes of :meth:`VerifyReport.as_dict` as JSON: it travels through XCom.
MAX_BYTES = 4000
#: Characters of a name and of a sentence in the dictionary: ids may be thousands long.
_LONGEST_NAME = 100
_LONGEST_SENTENCE = 350


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """``ok`` says whether the target holds everything that was looked at; ``findings`` say what it lacks and what to do about it.

    :param source, target: ``connection/database``
    :param documents: documents of the source that were looked at; ``revisions``: their leaf revisions; ``conflicts``: documents
        with several of them; ``tombstones``: documents that are deleted at the source
    :param missing_documents: documents of which the target lacks at least one revision; ``missing_revisions``: these revisions;
        ``missing_tombstones``: of the documents, those that are deleted at the source
    :param missing_ids: the first hundred of these documents
    :param changed_meanwhile: documents that were written to after the end that was taken first, and of which the target lacks what
        was new: nobody can tell, and they are not among the missing
    :param pending: changes of the source that are not replicated; None where that was not asked
    :param compared: revisions whose bodies were compared; ``different``: those that differ; ``different_ids``: the first of their ids
    :param superseded: revisions that the target knows and no longer keeps, because it has newer ones
    :param counts: ``{"source": {"docs", "deleted"}, "target": …}`` of level ``counts``
    :param notes: sentences about what is worth knowing and no failure
    """

    source: str
    target: str
    level: Level
    documents: int = 0
    revisions: int = 0
    conflicts: int = 0
    tombstones: int = 0
    missing_documents: int = 0
    missing_revisions: int = 0
    missing_tombstones: int = 0
    missing_ids: tuple[str, ...] = ()
    changed_meanwhile: int = 0
    pending: int | None = None
    compared: int = 0
    different: int = 0
    different_ids: tuple[str, ...] = ()
    superseded: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    requests: dict[str, int] = field(default_factory=lambda: {"source": 0, "target": 0})
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def message(self) -> str:
        """The findings as one text, for an error."""
        found = " ".join(self.findings) or "nothing is missing."
        return f"{self.source} -> {self.target} ({self.level}): {found}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, at most :data:`MAX_BYTES` of it: as many ids as fit, sentences cut where they are long; counts are never cut."""
        values: dict[str, Any] = {"ok": self.ok} | {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["seconds"] = round(self.seconds, 3)
        for name in ("source", "target"):
            values[name] = _short(values[name], _LONGEST_NAME)
        for name in ("missing_ids", "different_ids"):
            values[name] = [_short(one, _LONGEST_NAME) for one in values[name]]
        for name in ("findings", "notes"):
            values[name] = [_short(one, _LONGEST_SENTENCE) for one in values[name]]
        while len(json.dumps(values)) > MAX_BYTES:
            # The first finding fits, whatever is in it.
            next(values[name] for name, least in _CUT if len(values[name]) > least).pop()
        return values


#: In this order, and how many of each are kept.
_CUT = (("different_ids", 0), ("missing_ids", 0), ("notes", 0), ("findings", 1))


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
