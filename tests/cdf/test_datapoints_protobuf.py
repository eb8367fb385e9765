# SPDX-License-Identifier: Apache-2.0
"""Bytes of points, against the message classes of the official client as the oracle."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cognite.client._proto.data_point_insertion_request_pb2 import DataPointInsertionRequest
from cognite.client._proto.data_point_list_response_pb2 import DataPointListResponse
from cognite.client._proto.data_points_pb2 import NumericDatapoints, StringDatapoints
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.protobuf import wire as protobuf
from airflow_provider_replicator.cdf.protobuf.columns import decode, encode
from airflow_provider_replicator.cdf.protobuf.points import (
    difference,
    record_ends,
    select,
    split,
    summary,
    timestamps,
    uniform_rows,
)
from airflow_provider_replicator.exceptions import CdfConnectionError

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.protobuf.wire import Kind

STAMPS = st.one_of(
    st.integers(-2_208_988_800_000, 4_102_444_799_999), st.sampled_from([0, -1, 1, 127, 128, 1_600_000_000_000])
)
CODES = st.sampled_from([0, 0, 0x40000000, 0x80000000, 0x40A40000])
NUMBERS = st.one_of(st.floats(-1e100, 1e100), st.sampled_from([0.0, -0.0, 1.5]))
TEXTS = st.one_of(st.just(""), st.text(max_size=5), st.text(min_size=120, max_size=200))

#: timestamp -> (value, code); a value of None is a point without one
Series = dict[int, tuple[Any, int]]


def series(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Series]:
    def known(point: tuple[Any, int]) -> tuple[Any, int]:
        return point if point[0] is not None else (None, 0x80000000)

    points = st.tuples(st.one_of(st.none(), values), CODES).map(known)
    return st.one_of(
        st.dictionaries(STAMPS, points, max_size=12).map(lambda found: dict(sorted(found.items()))),
        # what most pages are: all records of one width
        st.lists(values, max_size=20).map(lambda found: {10**12 + at: (value, 0) for at, value in enumerate(found)}),
    )


KINDS: list[tuple[Kind, st.SearchStrategy[Series]]] = [("numeric", series(NUMBERS)), ("string", series(TEXTS))]
ANY_KIND = st.one_of(*[st.tuples(st.just(kind), found) for kind, found in KINDS])


def message(points: Series, kind: Kind) -> Any:
    out: Any = StringDatapoints() if kind == "string" else NumericDatapoints()
    for stamp, (value, code) in points.items():
        point = out.datapoints.add(timestamp=stamp)
        if value is None:
            point.nullValue = True
        else:
            point.value = value
        if code:
            point.status.code = code
    return out


def payload(points: Series, kind: Kind) -> bytes:
    return bytes(message(points, kind).SerializeToString())


def read_back(data: bytes, kind: Kind) -> Series:
    found: Any = (StringDatapoints if kind == "string" else NumericDatapoints).FromString(data)
    return {p.timestamp: (None if p.nullValue else p.value, p.status.code) for p in found.datapoints}


@given(st.lists(ANY_KIND, max_size=5))
def test_a_page_becomes_an_insertion_of_the_same_points_under_another_identifier(
    pages: list[tuple[Kind, Series]],
) -> None:
    response = DataPointListResponse()
    for at, (kind, points) in enumerate(pages):
        item = response.items.add(id=at + 1, externalId=f"source {at}", isString=kind == "string", unit="bar")
        item.instanceId.space, item.instanceId.externalId = "other", "node"
        item.type = 2 if kind == "string" else 1
        item.nextCursor = "more" if at % 2 else ""
        if points:
            getattr(item, f"{kind}Datapoints").CopyFrom(message(points, kind))
    items = protobuf.read_list_response(response.SerializeToString())
    assert [(item.id, item.kind, item.more) for item in items] == [
        (at + 1, kind, at % 2 == 1) for at, (kind, _) in enumerate(pages)
    ]

    identifiers = [protobuf.external_id_field("målt"), protobuf.instance_id_field("rom", "node")]
    body = protobuf.insertion_request((identifiers[item.id % 2], item.kind, [item.payload]) for item in items)

    request = DataPointInsertionRequest.FromString(body)
    assert len(request.items) == len(pages)
    for at, (sent, (kind, points)) in enumerate(zip(request.items, pages, strict=True), 1):
        found = sent.stringDatapoints if kind == "string" else sent.numericDatapoints
        assert read_back(found.SerializeToString(), kind) == points
        if at % 2:
            assert (sent.instanceId.space, sent.instanceId.externalId) == ("rom", "node")
        else:
            assert sent.externalId == "målt"


def test_pieces_of_one_series_are_one_item() -> None:
    first, second = payload({1: (1.0, 0)}, "numeric"), payload({2: (2.0, 0)}, "numeric")
    body = protobuf.insertion_request([(protobuf.external_id_field("a"), "numeric", [first, second])])
    (item,) = DataPointInsertionRequest.FromString(body).items
    assert [point.value for point in item.numericDatapoints.datapoints] == [1.0, 2.0]


def test_a_message_that_comes_in_parts_is_their_concatenation() -> None:
    parts = [payload({at: (float(at), 0)}, "numeric") for at in (1, 2)]
    item = b"".join(b"\x1a" + protobuf.write_varint(len(part)) + part for part in parts)
    (found,) = protobuf.read_list_response(b"\x0a" + protobuf.write_varint(len(item)) + item)
    assert read_back(bytes(found.payload), "numeric") == {1: (1.0, 0), 2: (2.0, 0)}


def test_state_points_are_named_as_such() -> None:
    response = DataPointListResponse()
    response.items.add(id=1).stateDatapoints.datapoints.add(timestamp=1, numericValue=3)
    response.items.add(id=2, type=3)
    assert [item.kind for item in protobuf.read_list_response(response.SerializeToString())] == ["state", "state"]


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\x05\x08", b"\x0a\x02\x0f\x01", b"\xff" * 11, b"<html>nothing</html>"])
def test_what_is_not_protobuf_is_a_connection_error(body: bytes) -> None:
    with pytest.raises(CdfConnectionError, match="not readable"):
        protobuf.read_list_response(body)


@given(st.integers(-(2**63), 2**63 - 1))
def test_varints_of_int64(value: int) -> None:
    encoded = protobuf.write_varint(value)
    assert protobuf.read_signed(encoded, 0) == (value, len(encoded))


@given(ANY_KIND)
def test_points_are_counted_and_located(case: tuple[Kind, Series]) -> None:
    kind, points = case
    data = payload(points, kind)
    found = summary(memoryview(data), kind)
    stamps = list(points)
    assert (found.count, found.first, found.last) == ((len(points), stamps[0], stamps[-1]) if points else (0, 0, 0))
    assert timestamps(data, kind).tolist() == stamps
    ends = [0, *record_ends(data).tolist()]
    cut = [list(read_back(data[start:end], kind)) for start, end in pairwise(ends)]
    assert cut == [[stamp] for stamp in stamps]


@given(ANY_KIND, st.data())
def test_points_are_selected_and_split(case: tuple[Kind, Series], data: st.DataObject) -> None:
    kind, points = case
    whole = payload(points, kind)
    keep = data.draw(st.lists(st.booleans(), min_size=len(points), max_size=len(points)))
    kept = read_back(select(whole, np.array(keep, bool)), kind)
    assert kept == {stamp: points[stamp] for stamp, chosen in zip(points, keep, strict=True) if chosen}
    parts = split(whole, data.draw(st.integers(1, 4)))
    assert b"".join(parts) == whole
    assert all(parts)


@settings(deadline=None)  # the first call imports protobuf
@given(ANY_KIND)
def test_columns_and_back(case: tuple[Kind, Series]) -> None:
    kind, points = case
    columns = decode(payload(points, kind), kind)
    assert columns.timestamps.tolist() == list(points)
    assert columns.codes.tolist() == [code for _, code in points.values()]
    assert columns.nulls.tolist() == [value is None for value, _ in points.values()]
    assert read_back(encode(columns, kind), kind) == points


@given(ANY_KIND, st.data())
def test_the_difference_makes_the_target_equal_to_the_source(case: tuple[Kind, Series], data: st.DataObject) -> None:
    kind, source = case
    kinds: dict[Kind, st.SearchStrategy[Series]] = dict(KINDS)
    target = dict(source)
    for stamp in data.draw(st.sets(st.sampled_from(list(source)))) if source else ():
        del target[stamp]
    target |= data.draw(kinds[kind])
    target = dict(sorted(target.items()))
    until = data.draw(st.one_of(st.none(), STAMPS))

    found = difference(payload(source, kind), payload(target, kind), kind, until=until)

    after = dict(target)
    for begin, end in found.delete:
        assert not any(begin <= stamp < end for stamp in source)
        after = {stamp: point for stamp, point in after.items() if not begin <= stamp < end}
    assert len(target) - len(after) == found.deleted
    after |= read_back(found.write, kind)
    assert len(read_back(found.write, kind)) == found.written

    def covered(points: Series) -> Series:
        return {stamp: point for stamp, point in points.items() if until is None or stamp <= until}

    assert covered(after) == covered(source)
    assert {stamp: point for stamp, point in after.items() if stamp not in covered(after)} == {
        stamp: point for stamp, point in target.items() if stamp not in covered(target)
    }
    assert found.same + found.written == len(covered(source))


def test_neighbours_are_deleted_as_one_range() -> None:
    target = payload(dict.fromkeys(range(1000, 1010), (1.0, 0)), "numeric")
    source = payload({1000: (1.0, 0), 1005: (1.0, 0)}, "numeric")
    found = difference(source, target, "numeric")
    assert found.delete == [(1001, 1005), (1006, 1010)]
    assert (found.deleted, found.written, found.same) == (8, 0, 2)


def test_ordinary_pages_are_read_without_parsing() -> None:
    data = payload({1_600_000_000_000 + at: (at + 0.5, 0) for at in range(1000)}, "numeric")
    rows = uniform_rows(data)
    assert rows is not None
    assert rows.shape == (1000, 18)


def test_a_cut_payload_is_noticed() -> None:
    data = payload({1: ("a", 0), 2: ("bc", 0)}, "string")
    with pytest.raises(ValueError, match="cut"):
        record_ends(data[:-1])
    with pytest.raises(ValueError, match="not a payload"):
        summary(data[:-1], "string")
