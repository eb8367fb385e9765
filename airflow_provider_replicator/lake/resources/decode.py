# SPDX-License-Identifier: Apache-2.0
"""Pages of documents as rows, a whole column at a time; what does not fit is named, and kept or left out as the user chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.arrow import arrow_schema, arrow_type, batch, column_array
from airflow_provider_replicator.lake.resources.declared import MORE, RESCUED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_provider_replicator.core.dead_letters import DeadLetters
    from airflow_provider_replicator.core.report import Report
    from airflow_provider_replicator.lake.resources.declared import Document, Layout
    from airflow_provider_replicator.lake.resources.options import OnMisfit

#: index of a row -> column -> why its value does not fit
_Misfits = dict[int, dict[str, str]]


class Decoder:
    """Turns documents into rows of one table. What is left out becomes a dead letter."""

    def __init__(self, layout: Layout, report: Report, letters: DeadLetters, on_misfit: OnMisfit) -> None:
        self.arrow = arrow_schema(layout.schema)
        self._refused: list[Any] = []
        self._layout = layout
        self._report = report
        self._letters = letters
        self._rescue = on_misfit == "rescue"
        self._columns = [column for column in layout.schema.columns if column.name not in (MORE, RESCUED)]

    def rows(self, documents: Sequence[Document]) -> pa.RecordBatch:
        """Those of the documents that fit, or can be made to."""
        layout = self._layout
        values: dict[str, Sequence[Any]] = {}
        arrays: dict[str, pa.Array] = {}
        misfits: _Misfits = {}
        for column in self._columns:
            name = column.name
            getter = layout.getters.get(name)
            values[name] = getter(documents) if getter else [document.get(name) for document in documents]
            arrays[name], bad = column_array(column, values[name])
            for index, why in bad.items():
                misfits.setdefault(index, {})[name] = why
        if layout.declared is not None:
            arrays[MORE] = self._more(documents, layout.declared)
        keep = None
        if misfits:
            keep = self._sorted_out(documents, values, misfits, arrays)
        rows = batch(layout.schema, arrays)
        return rows if keep is None else rows.filter(keep)

    def taken(self) -> list[Any]:
        """The keys of the documents that were left out since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def _more(self, documents: Sequence[Document], declared: frozenset[str]) -> pa.Array:
        import orjson
        import pyarrow as pa

        if all(map(declared.issuperset, documents)):
            return pa.nulls(len(documents), pa.string())
        others = [{name: doc[name] for name in doc.keys() - declared} for doc in documents]
        option = orjson.OPT_SORT_KEYS
        return pa.array([orjson.dumps(some, option=option).decode() if some else None for some in others], pa.string())

    def _sorted_out(
        self,
        documents: Sequence[Document],
        values: Mapping[str, Sequence[Any]],
        misfits: _Misfits,
        arrays: dict[str, pa.Array],
    ) -> pa.Array:
        """Which rows stay. A row without its key cannot."""
        import pyarrow as pa

        rescued: list[str | None] = [None] * len(documents)
        keep = [True] * len(documents)
        for index, reasons in misfits.items():
            if self._rescue and self._layout.key_column not in reasons:
                rescued[index] = _as_json({self._source_name(name): values[name][index] for name in reasons})
                continue
            keep[index] = False
            if self._layout.key_column not in reasons:
                self._refused.append(documents[index][self._layout.key])
            key = str(documents[index].get(self._layout.key))
            self._letters.add(self._layout.name, key, _plain(documents[index]), "; ".join(reasons.values()))
        arrays[RESCUED] = pa.array(rescued, arrow_type("json"))
        return pa.array(keep)

    def _source_name(self, name: str) -> str:
        column = next(column for column in self._columns if column.name == name)
        return column.source_name or name


def _as_json(value: Any) -> str:
    import json

    import orjson

    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers of more than 64 bits, halves of surrogate pairs
        return json.dumps(value)


def _plain(document: Document) -> Any:
    """The document as plain values: a dead letter that can be read again. Numbers may have been kept as the text they were."""
    import json

    return json.loads(_as_json(document))
