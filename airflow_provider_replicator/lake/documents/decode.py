# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a page of changes to Arrow columns.

The documents stay the bytes that they came as: nothing in them is parsed unless columns are declared, and nothing is rounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.exact_json import loads, plain
from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.arrow import arrow_type, column_array
from airflow_provider_replicator.lake.documents.schema import DOCUMENT, REMOVED
from airflow_provider_replicator.lake.feeds.layout import RESCUED
from airflow_provider_replicator.lake.feeds.rows import Misfit

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_replicator.lake.columns import Column
    from airflow_provider_replicator.lake.documents.declared import Declared
    from airflow_provider_replicator.lake.documents.options import DocumentsOptions

#: index of a document -> declared name -> why its value does not fit
_Reasons = dict[int, dict[str, str]]
_DESIGN = "_design/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page as columns. See :class:`~airflow_provider_replicator.lake.feeds.rows.FeedRows`."""

    columns: Mapping[str, pa.Array]
    read: int
    misfits: Sequence[Misfit] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["_id"])

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return sum(int(array.nbytes) for array in self.columns.values())


@dataclass(slots=True, kw_only=True)
class Page:
    """An answer, parsed as far as its documents. ``cursor`` leads to the next one; ``last``: there was none when the server
    answered.
    """

    rows: Sequence[Any] = field(repr=False)
    last_seq: str | int
    pending: int | None
    size: int
    last: bool = False

    @property
    def cursor(self) -> str:
        return str(self.last_seq)


class Decoder:
    """For the pages of one database. ``columns`` are the declared ones, named as in the table, in their order."""

    def __init__(self, declared: Sequence[Declared], columns: Sequence[Column], options: DocumentsOptions) -> None:
        self._declared = tuple(declared)
        self._columns = tuple(columns)
        self._rescue = options.on_misfit == "rescue"
        self._mark = options.deletes == "mark"
        self._design = options.design_documents

    def page(self, body: bytes) -> Page:
        """Parse. Raises LakeError if it is no page of a feed at all."""
        import msgspec

        answer_type, decoder = _answer()
        try:
            try:
                answer = decoder.decode(body)
            except msgspec.DecodeError:
                answer = msgspec.convert(_lenient(body), answer_type)
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise LakeError(f"the answer is no page of a _changes feed: {error}") from error
        return Page(rows=answer.results, last_seq=answer.last_seq, pending=answer.pending, size=len(body))

    def rows(self, page: Page) -> Rows:
        """The columns, with ``_removed``."""
        changes = [change for change in page.rows if self._design or not change.id.startswith(_DESIGN)]
        skipped = len(page.rows) - len(changes)
        texts, reasons = _texts(changes)
        columns = self._system(changes, texts)
        values = self._values(changes, texts, reasons)
        for declared, column in zip(self._declared, self._columns, strict=True):
            columns[column.name], wrong = column_array(column, values[declared.name])
            for index, why in wrong.items():
                reasons.setdefault(index, {})[declared.name] = why
        misfits = self._sorted_out(changes, texts, values, reasons, columns)
        return Rows(
            columns=columns,
            read=len(page.rows),
            misfits=misfits,
            skipped={"design document": skipped} if skipped else {},
        )

    def _system(self, changes: Sequence[Any], texts: Sequence[str | None]) -> dict[str, pa.Array]:
        import pyarrow as pa

        deleted = pa.array([change.deleted for change in changes], pa.bool_())
        gone = None if self._mark else True
        return {
            "_id": pa.array([change.id for change in changes], pa.string()),
            "_rev": pa.array([change.changes[0].rev for change in changes], pa.string()),
            "_deleted": deleted,
            DOCUMENT: pa.array(texts, pa.string()),
            REMOVED: pa.array([gone if change.deleted else None for change in changes], pa.bool_()),
        }

    def _values(
        self, changes: Sequence[Any], texts: Sequence[str | None], reasons: _Reasons
    ) -> dict[str, Sequence[Any]]:
        """declared name -> value of each document. What is deleted has none."""
        if not self._declared:
            return {}
        documents = [self._parsed(index, change, texts[index], reasons) for index, change in enumerate(changes)]
        values = {one.name: one.values(documents) for one in self._declared}
        return {one.name: values[one.name] if one.kind == "json" else plain(values[one.name]) for one in self._declared}

    def _parsed(self, index: int, change: Any, text: str | None, reasons: _Reasons) -> Any:
        if text is None or change.deleted:
            return {}
        try:
            return loads(bytes(change.doc))
        except (ValueError, RecursionError) as error:
            reasons.setdefault(index, {})[DOCUMENT] = f"the document cannot be read: {error}"
            return {}

    def _sorted_out(
        self,
        changes: Sequence[Any],
        texts: Sequence[str | None],
        values: Mapping[str, Sequence[Any]],
        reasons: _Reasons,
        columns: dict[str, pa.Array],
    ) -> list[Misfit]:
        """Take out of ``columns`` what does not fit, or put its values aside. A row without its document cannot stay."""
        import pyarrow as pa

        rescued: list[str | None] = [None] * len(changes)
        misfits = []
        for index, why in sorted(reasons.items()):
            if self._rescue and DOCUMENT not in why:
                rescued[index] = _json({name: values[name][index] for name in why})
            else:
                misfits.append(
                    Misfit(key=changes[index].id, reason="; ".join(why.values()), document=_plain(texts[index]))
                )
        if self._rescue:
            columns[RESCUED] = pa.array(rescued, arrow_type("json"))
        if misfits:
            left_out = {index for index in reasons if rescued[index] is None}
            keep = pa.array([index not in left_out for index in range(len(changes))], pa.bool_())
            for name, array in columns.items():
                columns[name] = array.filter(keep)
        return misfits


def _texts(changes: Sequence[Any]) -> tuple[list[str | None], _Reasons]:
    """The documents as they came; None, and why, for what is none."""
    texts: list[str | None] = []
    reasons: _Reasons = {}
    for index, change in enumerate(changes):
        text: str | None = None
        try:
            text = bytes(change.doc).decode()
        except UnicodeDecodeError:
            reasons[index] = {DOCUMENT: "the document is no UTF-8"}
        if text in (None, "", "null"):
            text = None
            if not change.deleted:
                reasons.setdefault(index, {DOCUMENT: "the server gave no document for this change"})
        texts.append(text)
    return texts, reasons


def _plain(text: str | None) -> Any:
    """The document; its text where it cannot be read."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text


def _json(value: Any) -> str:
    import orjson

    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers of more than 64 bits, halves of surrogate pairs
        return json.dumps(value, separators=(",", ":"))


@cache
def _answer() -> tuple[Any, Any]:
    """What a page looks like, and a parser of it; everything else in it is not kept. Documents are left as they are."""
    import msgspec
    from msgspec import Raw, defstruct

    revision: Any = defstruct("Revision", [("rev", str)], gc=False)
    fields: list[Any] = [("id", str), ("changes", list[revision]), ("deleted", bool, False), ("doc", Raw, Raw())]
    change: Any = defstruct("Change", fields, gc=False)
    page = defstruct("Page", [("results", list[change]), ("last_seq", str | int), ("pending", int | None, None)])
    return page, msgspec.json.Decoder(page)


def _lenient(body: bytes) -> Any:
    """With Python's own parser, which takes halves of surrogate pairs: servers in JavaScript send them."""
    from msgspec import Raw

    page = json.loads(body)
    for row in page["results"]:
        if row.get("doc") is not None:
            row["doc"] = Raw(json.dumps(row["doc"]).encode())
    return page
