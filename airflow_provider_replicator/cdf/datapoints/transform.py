# SPDX-License-Identifier: Apache-2.0
"""A user's function between reading and writing. What the API would refuse is left out and counted by reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.cdf.datapoints.plan import END_MS, FIRST_MS
from airflow_provider_replicator.cdf.protobuf.columns import Points, decode, encode
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from airflow_provider_replicator.cdf.protobuf.wire import Buffer, Kind
    from airflow_provider_replicator.core.report import Report

_MAX_NUMBER = 1e100
_MAX_TEXT_BYTES = 1023


def transformed(transform: Callable[..., object], payload: Buffer, kind: Kind, report: Report) -> tuple[bytes, int]:
    """The payload after ``transform``, and how many points it holds.

    The function gets the timestamps (int64, ms) and values (float64, NaN where a point has none; or object, None where it has
    none) of one page. A point that keeps its timestamp keeps its status. Raises ConfigurationError if the result is not a pair
    of arrays of one length.
    """
    before = decode(payload, kind)
    stamps, values = _called(transform, before, kind)
    after = _with_status(before, stamps, values, kind)
    kept = _acceptable(after, kind, report)
    return encode(kept, kind), len(kept)


def normal(payload: Buffer, kind: Kind) -> bytes:
    """The payload as this package would encode it: what a transformed page can be compared with."""
    return encode(decode(payload, kind), kind)


def _called(
    transform: Callable[..., object], points: Points, kind: Kind
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    import numpy as np

    name = getattr(transform, "__qualname__", type(transform).__qualname__)
    result = transform(points.timestamps.copy(), points.values.copy())
    if not isinstance(result, tuple) or len(result) != 2:
        raise ConfigurationError(f"transform {name} returned {type(result).__name__}: return (timestamps, values)")
    stamps, values = np.asarray(result[0]), np.asarray(result[1])
    if stamps.ndim != 1 or stamps.shape != values.shape:
        raise ConfigurationError(
            f"transform {name} returned {stamps.shape} timestamps and {values.shape} values: return two arrays of one length"
        )
    if stamps.dtype.kind not in "iu" and len(stamps):
        raise ConfigurationError(f"transform {name} returned timestamps of {stamps.dtype}: return int64 milliseconds")
    if kind == "string":
        if not all(value is None or isinstance(value, str) for value in values):
            raise ConfigurationError(f"transform {name} returned values that are no strings for a series of strings")
        return stamps.astype(np.int64), values.astype(object)
    try:
        return stamps.astype(np.int64), values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"transform {name} returned values that are no numbers: {error}") from error


def _with_status(before: Points, stamps: npt.NDArray[np.int64], values: npt.NDArray[Any], kind: Kind) -> Points:
    import numpy as np

    order = np.argsort(stamps, kind="stable")
    # Of several points at one time the last one counts, as it would in the API.
    order = order[np.append(np.diff(stamps[order]) != 0, True)] if len(order) else order
    stamps, values = stamps[order], values[order]
    place = np.minimum(np.searchsorted(before.timestamps, stamps), max(0, len(before) - 1))
    codes = np.zeros(len(stamps), np.int64)
    same = before.timestamps[place] == stamps if len(before) else np.zeros(len(stamps), bool)
    codes[same] = before.codes[place[same]]
    nulls = (
        np.fromiter((value is None for value in values), bool, len(values)) if kind == "string" else np.isnan(values)
    )
    return Points(stamps, values, codes, nulls)


def _acceptable(points: Points, kind: Kind, report: Report) -> Points:
    """The points that the API takes; the others are counted."""
    import numpy as np

    bad = (points.codes & 0x80000000) != 0
    refusals = [
        ("time_out_of_range", (points.timestamps < FIRST_MS) | (points.timestamps >= END_MS)),
        ("no_value", points.nulls & ~bad),
    ]
    if kind == "string":
        sizes = np.fromiter((0 if value is None else len(value.encode()) for value in points.values), np.int64)
        refusals.append(("string_over_1023_bytes", sizes > _MAX_TEXT_BYTES))
    else:
        refusals.append(("number_beyond_1e100", ~points.nulls & ~(np.abs(points.values) <= _MAX_NUMBER) & ~bad))
    keep = np.ones(len(points), bool)
    for reason, refused in refusals:
        report.skip(reason, int((refused & keep).sum()))
        keep &= ~refused
    return (
        points
        if keep.all()
        else Points(points.timestamps[keep], points.values[keep], points.codes[keep], points.nulls[keep])
    )
