# SPDX-License-Identifier: Apache-2.0
"""Counts alone: a block of points that lies within one bucket is counted without looking at its points.

That is what clients ask for first, of whole series, to plan how to read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from airflow_provider_replicator.sandbox.cdf.aggregates_buckets import Buckets
from airflow_provider_replicator.sandbox.cdf.points import Points, Series

Int64 = NDArray[np.int64]

COUNTS = {"countGood": 1, "countUncertain": 2, "countBad": 3}
_COUNT = "count"


def is_only_counts(names: tuple[str, ...]) -> bool:
    return all(name in COUNTS or name == _COUNT for name in names)


def counts_of(
    series: Series, buckets: Buckets, names: tuple[str, ...], *, limit: int, uncertain_as_bad: bool
) -> tuple[Int64, dict[str, NDArray[np.float64]]]:
    """The first buckets that have something to count, at least ``limit`` of them if there are as many, and their
    columns; NaN for 0."""
    shown = [1] if uncertain_as_bad else [1, 2]
    if any(name in COUNTS for name in names):
        shown = [1, 2, 3]
    tallies: list[Int64] = []
    seen = 0
    first, last = (int(time) for time in buckets.starts(np.array([0, buckets.count])))
    for part in series.parts(first, last):
        tallies.append(_tally(part, buckets))
        seen += int(np.count_nonzero(tallies[-1][:, shown].any(axis=1)))
        if seen - len(tallies) > limit:  # a bucket may be in two parts; the last one may go on
            break
    table = _merged(tallies)
    table = table[table[:, shown].any(axis=1)]
    columns = {name: table[:, COUNTS[name]] for name in names if name in COUNTS}
    if _COUNT in names:
        columns[_COUNT] = table[:, 1] if uncertain_as_bad else table[:, 1] + table[:, 2]
    return table[:, 0], {name: np.where(columns[name] > 0, columns[name], np.nan) for name in names}


def _tally(points: Points, buckets: Buckets) -> Int64:
    """Rows of bucket, good, uncertain, bad."""
    ends = buckets.index(points.times[[0, -1]])
    edges = np.zeros(1, np.int64)
    if ends[0] != ends[1]:
        edges = np.append(edges, np.flatnonzero(np.diff(buckets.index(points.times))) + 1)
    rows = np.zeros((len(edges), 4), np.int64)
    rows[:, 0] = buckets.index(points.times[edges])
    rows[:, 1] = np.diff(np.append(edges, len(points)))
    if points.codes is not None:
        severity = points.codes >> np.uint32(30)
        rows[:, 2] = np.add.reduceat((severity == 1).astype(np.int64), edges)
        rows[:, 3] = np.add.reduceat((severity >= 2).astype(np.int64), edges)
        rows[:, 1] -= rows[:, 2] + rows[:, 3]
    return rows


def _merged(tallies: list[Int64]) -> Int64:
    """A bucket whose points lie in several parts becomes one row."""
    if not tallies:
        return np.zeros((0, 4), np.int64)
    rows = np.concatenate(tallies)
    indices, edges = np.unique(rows[:, 0], return_index=True)
    merged = np.add.reduceat(rows, edges, axis=0)
    merged[:, 0] = indices
    return merged
