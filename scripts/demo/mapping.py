# SPDX-License-Identifier: Apache-2.0
"""One row of the data set -> one CDF object, as the SQL in the wheel maps them. Text is carried over as it is, dirt included.

Two things are added, because the wheel has none: labels (one per asset category) and nothing else; and one is left out:
the text ``"null"`` where CDF wants a number or a reference (an end time, a parent, a category) means that there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cognite.client.data_classes import (
    AssetWrite,
    DataSetWrite,
    EventWrite,
    LabelDefinitionWrite,
    TimeSeriesWrite,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scripts.demo.data_set import Row

NULL = "null"
#: Columns of an asset row that have a field of their own; the others become metadata. The same for events.
ASSET_FIELDS = frozenset({"externalId", "tag", "description", "sourceDb", "parentExternalId"})
EVENT_FIELDS = frozenset({"externalId", "startTime", "endTime"})


def data_set(item: Mapping[str, Any]) -> DataSetWrite:
    return DataSetWrite(external_id=item["externalId"], name=item["name"], description=item["description"])


def labels(assets: Iterable[Row], *, data_set_id: int) -> list[LabelDefinitionWrite]:
    """One label per asset category, sorted by category."""
    categories = sorted({row["categoryId"] for row in assets} - {NULL})
    return [
        LabelDefinitionWrite(external_id=label_of(category), name=f"Asset category {category}", data_set_id=data_set_id)
        for category in categories
    ]


def label_of(category: str) -> str:
    return f"asset_category_{category}"


def asset(row: Row, *, data_set_id: int) -> AssetWrite:
    category = row["categoryId"]
    return AssetWrite(
        name=row["tag"],
        external_id=row["externalId"],
        parent_external_id=_unless_null(row["parentExternalId"]),
        description=row["description"],
        source=row["sourceDb"],
        data_set_id=data_set_id,
        labels=None if category == NULL else [label_of(category)],
        metadata=_rest(row, ASSET_FIELDS),
    )


def event(row: Row, kind: str, *, asset_ids: Sequence[int], data_set_id: int) -> EventWrite:
    """A work order or a work item. Nobody checks here that it ends after it starts: that is for the API to say."""
    text = "description" if kind == "workorder" else "itemInfo"
    end = _unless_null(row["endTime"])
    return EventWrite(
        external_id=row["externalId"],
        type=kind,
        source="workmate",
        description=row[text],
        start_time=int(row["startTime"]),
        end_time=None if end is None else int(end),
        asset_ids=list(asset_ids),
        data_set_id=data_set_id,
        metadata=_rest(row, EVENT_FIELDS | {text}),
    )


def time_series(item: Mapping[str, Any], *, asset_id: int | None, data_set_id: int) -> TimeSeriesWrite:
    return TimeSeriesWrite(
        external_id=item["externalId"],
        name=item["name"],
        description=item["description"],
        unit=item.get("unit"),
        is_string=item["isString"],
        is_step=item["isStep"],
        metadata=dict(item["metadata"]),
        asset_id=asset_id,
        data_set_id=data_set_id,
    )


def _unless_null(text: str) -> str | None:
    return None if text == NULL else text


def _rest(row: Row, fields: frozenset[str]) -> dict[str, str]:
    return {name: text for name, text in row.items() if name not in fields}
