# SPDX-License-Identifier: Apache-2.0
"""What an answer about a view looks like, as types for msgspec: objects with exactly the fields that are wanted, and nothing else
is kept. Strict: a number is no text, a fraction no integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_replicator.lake.columns import Column
    from airflow_provider_replicator.lake.instances.schema import InstanceSource

#: The name of the only expression of our queries.
ROWS = "rows"
_NO_VIEW = "-"


def answer_types(source: InstanceSource, columns: Sequence[Column]) -> tuple[Any, Any]:
    """(the type of an answer, the type of the properties in it, whose fields are those of ``columns`` in their order)."""
    from msgspec import defstruct

    properties = _properties(columns)
    view, space = (source.view.key, source.view.space) if source.view else (_NO_VIEW, _NO_VIEW)
    by_view = defstruct("ByView", [("view", properties | None, None)], rename={"view": view}.get, gc=False)
    by_space = defstruct("BySpace", [("space", by_view | None, None)], rename={"space": space}.get, gc=False)
    item: Any = defstruct("Instance", [*_identity(source), ("properties", by_space | None, None)], gc=False)
    items = defstruct("Items", [(ROWS, list[item])])
    cursors = defstruct("Cursors", [(ROWS, str | None, None)], frozen=True)
    names = {"items": "items", "next": "nextCursor"}
    return defstruct("Answer", [("items", items), ("next", cursors, cursors())], rename=names.get), properties


def _identity(source: InstanceSource) -> list[Any]:
    texts: list[Any] = [(name, str) for name in ("space", "externalId")]
    numbers: list[Any] = [(name, int) for name in ("version", "createdTime", "lastUpdatedTime")]
    references = ("type", "startNode", "endNode") if source.instances == "edges" else ("type",)
    optional: list[Any] = [(name, _reference() | None, None) for name in references]
    return [*texts, *numbers, ("deletedTime", int | None, None), *optional]


def _reference() -> Any:
    from msgspec import defstruct

    return defstruct("Reference", [("space", str), ("externalId", str)], gc=False)


def _properties(columns: Sequence[Column]) -> Any:
    from msgspec import defstruct

    # The names of properties may be anything, those of fields are Python's.
    names = {f"p{index}": column.source_name for index, column in enumerate(columns)}
    fields: list[Any] = [(name, _value(column), None) for name, column in zip(names, columns, strict=True)]
    return defstruct("Properties", fields, rename=names.get, gc=False)


def _value(column: Column) -> Any:
    import msgspec

    if column.kind == "json":
        return msgspec.Raw  # as it came, of a list as well
    types = {"boolean": bool, "int32": int, "int64": int, "float32": float, "float64": float}
    one: Any = _reference() if column.kind == "reference" else types.get(column.kind, str)
    return list[one | None] | None if column.is_list else one | None
