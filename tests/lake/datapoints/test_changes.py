# SPDX-License-Identifier: Apache-2.0
"""Many changes come to what they would come to one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.cdf.protobuf.columns import Points
from airflow_provider_replicator.lake.datapoints.changes import Batch, decoded
from airflow_provider_replicator.lake.datapoints.doomed import DELETED, REPLACED, STAYS, InWindow
from airflow_provider_replicator.lake.datapoints.files import TableFile
from airflow_provider_replicator.lake.datapoints.layout import Layout, Named

SERIES = [Named("a", None, 0), Named("a", "space", 0), Named("b", "space", 0), Named("c", None, 0)]
STAMPS = st.integers(0, 12)
UPSERTS = st.dictionaries(STAMPS, st.floats(-5, 5), max_size=4)
RANGES = st.tuples(STAMPS, st.integers(1, 4)).map(lambda span: (span[0], span[0] + span[1]))
CHANGES = st.lists(st.tuples(st.sampled_from(SERIES[:3]), UPSERTS, st.lists(RANGES, max_size=2)), max_size=12)

Model = dict[tuple[str | None, str, int], float]


def points(values: dict[int, float]) -> Points:
    return decoded([{"timestamp": at, "value": value} for at, value in values.items()], text=False)


def keys(rows: list[tuple[str | None, str, int]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([name for _, name, _ in rows], pa.string()).dictionary_encode(),
            pa.array([space for space, _, _ in rows], pa.string()).dictionary_encode(),
            pa.array([at * 1000 for _, _, at in rows], pa.int64()).view(pa.timestamp("us", "UTC")),
        ],
        names=["externalId", "_instanceSpace", "timestamp"],
    )


@settings(deadline=None)
@given(CHANGES, st.sets(st.tuples(st.sampled_from(SERIES), STAMPS)))
def test_the_rows_in_the_end(changes: list[Any], before: set[tuple[Named, int]]) -> None:
    batch, model = Batch(), {(*named.key, at): 100.0 for named, at in before}
    for named, upserts, deletes in changes:
        batch.update(named, points(upserts), deletes, text=False)
        for begin, end in deletes:
            for at in range(begin, end):
                model.pop((*named.key, at), None)
        model |= {(*named.key, at): value for at, value in upserts.items()}
    rows = sorted(((*named.key, at) for named, at in before), key=str)
    doomed = batch.doomed()
    marks = doomed.marks(keys(rows)).tolist()
    after = {row: 100.0 for row, mark in zip(rows, marks, strict=True) if mark == STAYS}
    for named, net in batch.net():
        fresh = {
            (*named.key, at): value for at, value in zip(net.timestamps.tolist(), net.values.tolist(), strict=True)
        }
        assert not fresh.keys() & after.keys()
        after |= fresh
    assert after == model
    file = TableFile(
        "f", 1, len(rows), {}, 0, min((at for _, _, at in rows), default=0), max((at for _, _, at in rows), default=0)
    )
    assert doomed.may_touch(file) or not any(marks)
    deleted = {row for row, mark in zip(rows, marks, strict=True) if mark == DELETED}
    assert not deleted & model.keys()


def test_series_in_whole() -> None:
    batch = Batch()
    batch.update(SERIES[0], points({1: 1.0}), [], text=False)
    batch.forget(SERIES[0], for_good=False)
    batch.forget(SERIES[1], for_good=True)
    rows = [(None, "a", 5), ("space", "a", 5), ("space", "b", 5)]
    assert batch.doomed().marks(keys(rows)).tolist() == [REPLACED, DELETED, STAYS]
    assert list(batch.net()) == []


def test_points_of_json() -> None:
    given_points: list[dict[str, Any]] = [
        {"timestamp": 1, "value": 1},
        {"timestamp": 2, "value": "NaN", "status": {"code": 5}},
        {"timestamp": 3, "value": "-Infinity"},
        {"timestamp": 4, "status": {"code": 7}},
    ]
    found = decoded(given_points, text=False)
    np.testing.assert_array_equal(found.values, [1.0, np.nan, -np.inf, np.nan])
    assert found.codes.tolist() == [0, 5, 0, 7]
    assert found.nulls.tolist() == [False, False, False, True]
    assert decoded([{"timestamp": 1, "value": ""}, {"timestamp": 2}], text=True).values.tolist() == ["", None]
    wrongs: list[list[dict[str, Any]]] = [[{"timestamp": 1, "value": 1.0}], [{"value": "a"}]]
    for wrong in wrongs:
        with pytest.raises((TypeError, KeyError)):
            decoded(wrong, text=True)
    with pytest.raises(ValueError, match="text"):
        decoded([{"timestamp": 1, "value": "text"}], text=False)


@given(
    st.lists(st.integers(-(10**12), 4 * 10**12), min_size=1, unique=True).map(sorted), st.sampled_from(["day", "month"])
)
def test_points_are_cut_at_borders_of_folders(stamps: list[int], period: Any) -> None:
    array = np.array(stamps, np.int64)
    layout = Layout(period)
    parts = list(layout.in_periods(array))
    assert np.concatenate([array[part] for _, part in parts]).tolist() == stamps
    assert len({number for number, _ in parts}) == len(parts)
    unit = 10 if period == "day" else 7
    for number, part in parts:
        value = layout.values((number, 0))[f"_{period}"]
        assert {str(moment)[:unit] for moment in array[part].astype("datetime64[ms]")} == {value[:unit]}


def test_files_outside_of_a_window_are_not_touched() -> None:
    window = InWindow(100, 200, frozenset({(None, "a")}), frozenset({1}))

    def file(first: int | None, last: int | None, bucket: int = 1) -> TableFile:
        return TableFile("f", 1, 1, {}, bucket, first, last)

    assert [window.may_touch(file(*span)) for span in ((0, 99), (0, 100), (199, 300), (200, 300), (None, None))] == [
        False,
        True,
        True,
        False,
        True,
    ]
    assert not window.may_touch(file(150, 160, bucket=0))
    assert not window.takes_all(file(150, 160))
    assert InWindow(100, 200).takes_all(file(100, 199))
    assert not InWindow(100, 200).takes_all(file(100, 200))
