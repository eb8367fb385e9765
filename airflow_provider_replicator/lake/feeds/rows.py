# SPDX-License-Identifier: Apache-2.0
"""What a page of a feed is once it was read: columns, and what did not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One object with values that do not fit. ``key`` names it, ``document`` is the object as it came."""

    key: str
    reason: str
    document: Any


class FeedRows(Protocol):
    """``columns`` are those of the table and the one that says what is deleted; ``read`` counts what was in the page; what is not
    among the rows is among the ``misfits``, or counted under ``skipped`` by reason.
    """

    @property
    def columns(self) -> Mapping[str, pa.Array]: ...
    @property
    def read(self) -> int: ...
    @property
    def misfits(self) -> Sequence[Misfit]: ...
    @property
    def skipped(self) -> Mapping[str, int]: ...
    @property
    def nbytes(self) -> int:
        """Of memory."""

    def __len__(self) -> int: ...
