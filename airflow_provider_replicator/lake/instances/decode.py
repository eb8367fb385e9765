# SPDX-License-Identifier: Apache-2.0
"""From the bytes of an answer to Arrow columns.

The view says what each property is, so a page is parsed straight into typed objects, without a dictionary in between, and becomes
columns one whole column at a time: measured four times faster than parsing into dictionaries. A page with anything that does not fit
is read again, value by value, by :mod:`.misfits`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_replicator.exceptions import LakeError
from airflow_provider_replicator.lake.arrow import arrow_type, column_array
from airflow_provider_replicator.lake.columns import Column
from airflow_provider_replicator.lake.feeds.layout import RESCUED
from airflow_provider_replicator.lake.instances.misfits import checked, parsed
from airflow_provider_replicator.lake.instances.schema import DELETED, KEY, system_columns
from airflow_provider_replicator.lake.instances.shapes import ROWS, answer_types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from airflow_provider_replicator.lake.feeds.rows import Misfit
    from airflow_provider_replicator.lake.instances.schema import InstanceSource


_Given = TypeVar("_Given")
_Result = TypeVar("_Result")
#: Instances that become columns together: so many that their objects stay in the processor's cache.
_TOGETHER = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page as columns: the system's, ``_deletedTime`` and the view's. ``read`` counts what was in the page; those that are not
    among the rows are ``misfits``. ``changed_ms``: the latest change in it.
    """

    columns: dict[str, pa.Array]
    read: int
    misfits: Sequence[Misfit] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    changed_ms: int = 0

    def __len__(self) -> int:
        return len(self.columns["_space"])

    def keys(self) -> list[tuple[str, str]]:
        """Of the instances, in order."""
        return list(zip(*(self.columns[name].to_pylist() for name in KEY), strict=True))

    def only(self, members: set[tuple[str, str]]) -> Rows:
        """The same, but that who is not among ``members`` is gone since its last change."""
        import pyarrow as pa
        import pyarrow.compute as pc

        stays = pa.array([key in members for key in self.keys()], pa.bool_())
        gone = pc.coalesce(self.columns[DELETED], self.columns["_lastUpdatedTime"])
        return replace(self, columns=self.columns | {DELETED: pc.if_else(stays, self.columns[DELETED], gone)})

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return sum(int(array.nbytes) for array in self.columns.values())


@dataclass(slots=True, kw_only=True)
class Page:
    """An answer, parsed: ``cursor`` of the next one and how many instances it has. The columns follow with :meth:`Decoder.rows`."""

    cursor: str | None
    count: int
    body: bytes = field(repr=False)
    items: list[Any] | None = field(repr=False)

    @property
    def last(self) -> bool:
        """Whether a load ends here."""
        return not self.cursor or not self.count


class Decoder:
    """For the answers of query and sync about one source. ``columns`` are the view's properties, named as in the table.

    All of its work belongs into one thread of its own (:meth:`in_thread`): a page is millions of bytes of small objects, which are
    in the cache of the processor that parsed it, and two threads would only wait for each other. To be closed.
    """

    def __init__(self, source: InstanceSource, columns: Sequence[Column], *, rescue: bool = False) -> None:
        import msgspec

        self._path = source.path
        self._columns = tuple(columns)
        self._rescue = rescue
        answer, properties = answer_types(source, self._columns)
        self._typed = msgspec.json.Decoder(answer)
        self._blank = properties()
        self._under = (source.view.space, source.view.key) if source.view else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._system = (*system_columns(source.instances), Column(name=DELETED, kind="timestamp"))

    async def in_thread(self, work: Callable[[_Given], _Result], given: _Given) -> _Result:
        """The result of :meth:`page` or :meth:`rows`, without holding up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, given)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False)

    def page(self, body: bytes) -> Page:
        """Parse. Raises LakeError if it is no answer of CDF at all."""
        import msgspec

        try:
            answer = self._typed.decode(body)
        except msgspec.MsgspecError:
            return self._untyped(body)
        return Page(cursor=answer.next.rows, count=len(answer.items.rows), body=body, items=answer.items.rows)

    def rows(self, page: Page) -> Rows:
        """The columns."""
        if page.items is not None:
            try:
                return self._whole(page.items)
            except _MisfitError:
                pass
        return self._one_by_one(parsed(page.body)["items"][ROWS])

    def _untyped(self, body: bytes) -> Page:
        try:
            answer = parsed(body)
            cursor, count = (answer.get("nextCursor") or {}).get(ROWS), len(answer["items"][ROWS])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LakeError(f"{self._path}: the answer is no page of instances: {error}") from error
        return Page(cursor=cursor, count=count, body=body, items=None)

    def _whole(self, items: list[Any]) -> Rows:
        """Column by column; _MisfitError if anything does not fit."""
        import pyarrow as pa

        parts = [self._some(items[start : start + _TOGETHER]) for start in range(0, len(items), _TOGETHER)]
        if len(parts) == 1:
            return self._rows(parts[0], len(items), ())
        parts = parts or [self._some([])]
        columns = {name: pa.concat_arrays([part[name] for part in parts]) for name in parts[0]}
        return self._rows(columns, len(items), ())

    def _some(self, items: list[Any]) -> dict[str, pa.Array]:
        from msgspec.structs import astuple

        system = attrgetter(*(column.name.removeprefix("_") for column in self._system))
        columns = _columns(self._system, map(system, items))
        return columns | _columns(self._columns, map(astuple, map(self._held, items)))

    def _held(self, item: Any) -> Any:
        """The properties of an instance; blank ones for those without: tombstones."""
        space = item.properties and item.properties.space
        return (space and space.view) or self._blank

    def _one_by_one(self, items: list[Any]) -> Rows:
        columns, misfits = checked(
            items, system=self._system, properties=self._columns, under=self._under, rescue=self._rescue
        )
        return self._rows(columns, len(items), misfits)

    def _rows(self, columns: dict[str, pa.Array], read: int, misfits: Sequence[Misfit]) -> Rows:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._rescue and RESCUED not in columns:
            columns[RESCUED] = pa.nulls(read, pa.string())
        times = (pc.max(columns[name]).cast(pa.int64()).as_py() for name in ("_lastUpdatedTime", DELETED))
        changed = max((time for time in times if time is not None), default=0)
        return Rows(columns=columns, read=read, misfits=misfits, changed_ms=changed // 1000)


_TYPED = frozenset({"text", "boolean", "int32", "int64", "float64"})


class _MisfitError(Exception):
    pass


def _columns(declared: Sequence[Column], rows: Iterable[tuple[Any, ...]]) -> dict[str, pa.Array]:
    values = list(zip(*rows, strict=True)) or [()] * len(declared)
    return {column.name: _array(column, held) for column, held in zip(declared, values, strict=True)}


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    if column.kind == "json":
        return _json_array(column, values)
    if column.kind == "reference":
        return _list_of_references(values) if column.is_list else _references(values)
    try:
        if column.kind in _TYPED and not column.is_list:  # what the parser lets through is of the right type
            return pa.array(values, arrow_type(column.kind))
        if column.kind == "timestamp" and column.name.startswith("_"):
            return pa.array(values, pa.timestamp("ms", "UTC")).cast(arrow_type("timestamp"))
    except (pa.ArrowException, OverflowError) as error:
        raise _MisfitError from error
    array, misfits = column_array(column, values)
    if misfits:
        raise _MisfitError
    return array


def _json_array(column: Column, values: Sequence[Any]) -> pa.Array:
    """JSON as it came: nothing is parsed, so nothing is rounded."""
    import pyarrow as pa

    texts = [None if value is None else bytes(value) for value in values]
    if not column.is_list:
        return _texts(texts)
    from msgspec import MsgspecError, Raw
    from msgspec.json import Decoder as JsonDecoder

    decoder = JsonDecoder(list[Raw] | None)
    try:
        lists = [None if text is None else decoder.decode(text) for text in texts]
    except MsgspecError as error:
        raise _MisfitError from error
    kind = arrow_type(column.kind, is_list=True)
    return pa.array([None if one is None else [_text(bytes(raw)) for raw in one] for one in lists], kind)


def _texts(values: list[bytes | None]) -> pa.Array:
    import pyarrow as pa

    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(json: bytes) -> str | None:
    return None if json == b"null" else json.decode()


def _references(values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    if not any(values):
        return pa.nulls(len(values), arrow_type("reference"))
    try:
        parts = [pa.array(list(map(attrgetter(name), values)), pa.string()) for name in ("space", "externalId")]
        return pa.StructArray.from_arrays(parts, ["space", "externalId"])
    except AttributeError:  # None among them
        parts = [
            pa.array([None if one is None else getattr(one, name) for one in values], pa.string())
            for name in ("space", "externalId")
        ]
        return pa.StructArray.from_arrays(parts, ["space", "externalId"], mask=parts[0].is_null())


def _list_of_references(values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    flat = _references([one for each in values if each is not None for one in each])
    ends, end = [0], 0
    for each in values:
        end += len(each) if each is not None else 0
        ends.append(end)
    mask = pa.array([each is None for each in values], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat, mask=mask)
