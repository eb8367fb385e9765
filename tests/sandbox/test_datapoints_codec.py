# SPDX-License-Identifier: Apache-2.0
"""The sandbox's own protobuf codec against the classes that the official SDK generates from CDF's definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cognite.client._proto.data_points_pb2 import NumericDatapoints, StringDatapoints
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf import protobuf as wire
from airflow_provider_replicator.sandbox.cdf import protobuf_decode
from airflow_provider_replicator.sandbox.cdf.points import Points
from airflow_provider_replicator.sandbox.cdf.points_status import code_of, symbol_of
from airflow_provider_replicator.sandbox.cdf.protobuf_decode import decode_numeric, decode_strings
from airflow_provider_replicator.sandbox.cdf.protobuf_points import encode_numeric, encode_strings

MILLISECOND = st.one_of(
    st.integers(-2_208_988_800_000, 4_102_444_799_999),
    st.integers(-300, 300),
    st.sampled_from([0, 2**7, 2**14, 2**21, 2**28, 2**35 - 1, 2**35, 2**42 - 1]),
)
NUMBER = st.one_of(st.floats(width=64), st.sampled_from([0.0, -0.0, 1e100, 5e-324]))
CODES = [0, 0x400, 0x4000_0000, 0x8000_0000, 48 << 16, 280 << 16, 0x8110_0000]
ORDINARY = st.tuples(st.integers(2**35, 2**42 - 1), NUMBER, st.just(0), st.just(False))
ANY = st.tuples(MILLISECOND, NUMBER, st.sampled_from(CODES), st.booleans())


def points(rows: list[tuple[int, Any, int, bool]], *, is_string: bool = False) -> Points:
    codes = np.array([row[2] for row in rows], np.uint32)
    nulls = np.array([row[3] for row in rows], np.bool_)
    values = np.empty(len(rows), object if is_string else np.float64)
    values[:] = [row[1] for row in rows]
    return Points(
        np.array([row[0] for row in rows], np.int64),
        values,
        codes if codes.any() else None,
        nulls if nulls.any() else None,
    )


def sorted_rows(rows: list[Any]) -> list[Any]:
    return sorted({row[0]: row for row in rows}.values())


def message(rows: list[tuple[int, Any, int, bool]], kind: type[Any], *, with_status: bool = True) -> Any:
    """What the generated classes make of the same points."""
    out = kind()
    for time, value, code, null in rows:
        point = out.datapoints.add(timestamp=time)
        if not null:
            point.value = value
        if with_status and code:
            point.status.code, point.status.symbol = code, symbol_of(code)
        if null:
            point.nullValue = True
    return out


def same(found: Points, expected: Points) -> None:
    assert found.times.tolist() == expected.times.tolist()
    if expected.values.dtype == object:
        assert found.values.tolist() == expected.values.tolist()
    else:
        assert found.values.tobytes() == expected.values.tobytes()
    for one, other in ((found.codes, expected.codes), (found.nulls, expected.nulls)):
        assert (None if one is None else one.tolist()) == (None if other is None else other.tolist())


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.lists(ORDINARY, max_size=40), st.lists(ANY, max_size=40)), st.booleans())
def test_numeric_points_are_written_byte_for_byte_as_the_generated_classes_write_them(
    rows: list[tuple[int, float, int, bool]], with_status: bool
) -> None:
    rows = sorted_rows(rows)
    expected = message(rows, NumericDatapoints, with_status=with_status).SerializeToString()
    assert encode_numeric(points(rows), with_status=with_status) == expected


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.lists(ORDINARY, max_size=40), st.lists(ANY, max_size=40)))
def test_numeric_points_of_the_generated_classes_are_read_exactly(rows: list[tuple[int, float, int, bool]]) -> None:
    rows = [(time, 0.0 if null else value, code, null) for time, value, code, null in rows]
    same(decode_numeric(message(rows, NumericDatapoints).SerializeToString()), points(rows))


TEXT = st.one_of(st.text(max_size=20), st.text(min_size=100, max_size=400), st.just(""))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(MILLISECOND, TEXT, st.sampled_from(CODES), st.just(False)), max_size=20))
def test_string_points_are_written_and_read_as_the_generated_classes_do(rows: list[tuple[int, str, int, bool]]) -> None:
    rows = sorted_rows(rows)
    expected = message(rows, StringDatapoints).SerializeToString()
    ours = points([(time, value.encode(), code, null) for time, value, code, null in rows], is_string=True)
    assert encode_strings(ours, with_status=True) == expected
    same(decode_strings(expected), ours)


def test_a_value_full_of_what_begins_a_point_is_not_taken_for_one() -> None:
    """Doubles whose bytes look like tags and lengths of points, between values that are left out."""
    patterns = (b"\x0a\x04\x08\x01", b"\x0a\x00", b"\x0a\x02\x11\x0a")
    disguised = [np.frombuffer(pattern * (8 // len(pattern)), np.float64)[0] for pattern in patterns]
    rows = [(time, float(disguised[time % 3]) if time % 4 else 0.0, 0, False) for time in range(1, 500)]
    data = message(rows, NumericDatapoints).SerializeToString()
    assert protobuf_decode._decode_staged(data, is_string=False) is not None
    same(decode_numeric(data), points(rows))


def test_unusual_but_valid_encodings_are_read() -> None:
    """Fields out of order, repeated, unknown; varints longer than they need be."""
    out_of_order = b"\x11" + np.float64(2.5).tobytes() + b"\x08\x05"
    repeated = b"\x08\x01\x08\x07"
    unknown = b"\x08\x09\x7a\x02hi"
    overlong = b"\x08\x8b\x80\x00"
    data = b"".join(b"\x0a" + bytes([len(part)]) + part for part in (out_of_order, repeated, unknown, overlong))
    expected = NumericDatapoints.FromString(data)
    found = decode_numeric(data)
    assert found.times.tolist() == [5, 7, 9, 11] == [point.timestamp for point in expected.datapoints]
    assert found.values.tolist() == [2.5, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b"\x08\x80\x80\x80\x80\x08\x12\x03Bad", 0x8000_0000),
        (b"\x08\x80\x80\x80\x80\x08", 0x8000_0000),
        (b"\x12\x03Bad", 0x8000_0000),
        (b"\x12\x0bGoodClamped", 48 << 16),
        (b"", 0),
    ],
)
def test_a_status_may_be_given_by_code_by_symbol_or_both(status: bytes, code: int) -> None:
    point = b"\x08\x01\x1a" + bytes([len(status)]) + status
    found = decode_numeric(b"\x0a" + bytes([len(point)]) + point)
    assert (0 if found.codes is None else int(found.codes[0])) == code


@pytest.mark.parametrize(
    "status",
    [
        b"\x08\x01",  # info bits without an info type
        b"\x08\x80\x80\x80\x80\x0c",  # no such severity
        b"\x12\x04good",
        b"\x08\x80\x80\x80\x80\x08\x12\x04Good",  # Bad by code, Good by name
        b"\x08\xff\xff\xff\xff\xff\x01",  # more than 32 bits
    ],
)
def test_a_status_that_does_not_exist_is_refused(status: bytes) -> None:
    point = b"\x08\x01\x1a" + bytes([len(status)]) + status
    with pytest.raises(ValueError, match="Invalid status code"):
        decode_numeric(b"\x0a" + bytes([len(point)]) + point)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=8), st.data())
def test_broken_bytes_never_do_worse_than_a_wire_error(rows: list[tuple[int, float, int, bool]], data: Any) -> None:
    good = bytearray(message(rows, NumericDatapoints).SerializeToString() or b"\x0a\x00")
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(good[: data.draw(st.integers(1, len(good)))])
    for decode in (decode_numeric, decode_strings):
        try:
            found = decode(broken)
        except ValueError:
            continue
        assert len(found.times) == len(found.values)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_fast_and_slow_readers_agree_on_any_bytes(data: bytes) -> None:
    for is_string in (False, True):
        fast = protobuf_decode._decode_staged(data, is_string=is_string) if data else None
        if fast is not None:
            same(fast, protobuf_decode._decode_slowly(data, is_string=is_string))


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(wire.WireError, match="UTF-8"):
        decode_strings(b"\x0a\x05\x08\x01\x12\x01\xff")


def test_statuses_have_the_names_of_opc_ua() -> None:
    assert symbol_of(10_682_368) == "GoodEntryReplaced"
    assert symbol_of(2_165_309_440) == "BadLicenseNotAvailable"
    assert symbol_of(1_083_244_544 & 0xFFFF_0000).startswith("Uncertain")
    assert code_of(None, "Uncertain") == 0x4000_0000
    assert code_of(1024, "Good") == 1024


def test_large_pages_cross_the_borders_of_the_chunks() -> None:
    times = np.arange(20_001, dtype=np.int64) * 997 + 1_600_000_000_000
    values = np.sin(times.astype(np.float64))
    values[::7] = 0.0
    codes = np.where(times % 11 == 0, 0x8000_0000, 0).astype(np.uint32)
    order = np.arange(len(times))
    rare, missing = np.where(order % 4_001 == 5, 0x4000_0000, 0).astype(np.uint32), order % 6_007 == 3
    rare[missing] = 0x8000_0000
    known = np.where(missing, 0.0, values)
    pages = (
        Points(times, values + 2),
        Points(times, values),
        Points(times, values, codes),
        Points(times, known, rare, missing),
        Points(times - times[-1], values),
    )
    for page in pages:
        data = encode_numeric(page, with_status=True)
        parsed = NumericDatapoints.FromString(data)
        assert parsed.SerializeToString() == data
        same(decode_numeric(data), page)
