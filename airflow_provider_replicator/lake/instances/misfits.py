# SPDX-License-Identifier: Apache-2.0
"""Pages with values that do not fit their columns, looked at one by one. Slow, exact, and rare.

A value that does not fit never becomes another one. With ``rescue`` its column is null and the value itself goes, as JSON, to
the column ``_rescued``; without, the whole instance is left out and named.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.feeds.layout import RESCUED
from airflow_provider_replicator.lake.feeds.rows import Misfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_provider_replicator.lake.columns import Column


def parsed(body: bytes) -> Any:
    """JSON with Python's own parser: it keeps integers of any size, and does not stop at half a surrogate pair. A number that
    would become infinite stays a text, which no number column takes.
    """
    return json.loads(body, parse_float=_finite)


def checked(
    items: Sequence[dict[str, Any]],
    *,
    system: Sequence[Column],
    properties: Sequence[Column],
    under: tuple[str, str] | None,
    rescue: bool,
) -> tuple[dict[str, pa.Array], list[Misfit]]:
    """(the columns of the instances that fit, or of all with ``rescue``; those with a misfit).

    ``under``: the space and the ``view/version`` below which the properties are. Raises LakeError for an instance without identity.
    """
    values = [_properties(item, under) for item in items]
    columns, wrong = _arrays(system, [_system_values(item) for item in items])
    if wrong:
        index, reasons = next(iter(wrong.items()))
        raise LakeError(f"the answer is no page of instances: {_key(items[index])}: {'; '.join(reasons.values())}")
    more, wrong = _arrays(properties, values)
    columns |= more
    misfits = [
        Misfit(key=_key(items[index]), reason="; ".join(reasons.values()), document=items[index])
        for index, reasons in wrong.items()
    ]
    if rescue:
        columns[RESCUED] = _rescued(values, wrong)
        return columns, []
    return _without(columns, wrong), misfits


def _arrays(
    columns: Sequence[Column], rows: Sequence[dict[str, Any]]
) -> tuple[dict[str, pa.Array], dict[int, dict[str, str]]]:
    """(column -> array, row -> property -> what is wrong)."""
    from airflow_provider_replicator.lake.arrow import column_array

    arrays: dict[str, pa.Array] = {}
    wrong: dict[int, dict[str, str]] = {}
    for column in columns:
        name = column.source_name or column.name
        arrays[column.name], reasons = column_array(column, [row.get(name) for row in rows])
        for index, reason in reasons.items():
            wrong.setdefault(index, {})[name] = reason
    return arrays, dict(sorted(wrong.items()))


def _rescued(values: Sequence[dict[str, Any]], wrong: dict[int, dict[str, str]]) -> pa.Array:
    import pyarrow as pa

    texts: list[str | None] = [None] * len(values)
    for index, reasons in wrong.items():
        # ASCII: half a surrogate pair can be written like that.
        texts[index] = json.dumps({name: values[index][name] for name in reasons})
    return pa.array(texts, pa.string())


def _without(columns: dict[str, pa.Array], wrong: dict[int, dict[str, str]]) -> dict[str, pa.Array]:
    import pyarrow as pa

    if not wrong:
        return columns
    count = len(columns["_space"])
    kept = pa.array([index for index in range(count) if index not in wrong], pa.int64())
    return {name: array.take(kept) for name, array in columns.items()}


def _system_values(item: dict[str, Any]) -> dict[str, Any]:
    return {f"_{name}": value for name, value in item.items() if name != "properties"}


def _properties(item: dict[str, Any], under: tuple[str, str] | None) -> dict[str, Any]:
    if under is None:
        return {}
    space, view = under
    found: dict[str, Any] = ((item.get("properties") or {}).get(space) or {}).get(view) or {}
    return found


def _key(item: dict[str, Any]) -> str:
    return f"{item.get('space')}:{item.get('externalId')}"


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
