# SPDX-License-Identifier: Apache-2.0
"""What the figures have to reach: ratios within one run, so that they mean the same on any machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

#: workload prefix -> how many times faster than the peer a first load at 20 ms of latency has to be
SPEED = {
    "4 000 assets": 60.0,
    "50 000 events": 3.0,
    "20 000 time series": 3.0,
    "10 series": 15.0,
    "100 000 raw rows": 3.0,
}


Verdict = dict[str, Any]


def judge(rows: list[Row]) -> list[Verdict]:
    """One verdict per target that this run has the figures for."""
    return [*_against_the_peer(rows), *_requests(rows), *_against_the_sdk(rows), *_long_series(rows)]


def _verdict(text: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> Verdict:
    if at_least is not None:
        return {"text": f"{text}: {value:,.2f} (≥ {at_least:g})", "value": value, "ok": value >= at_least}
    if at_most is not None:
        return {"text": f"{text}: {value:,.2f} (≤ {at_most:.3g})", "value": value, "ok": value <= at_most}
    raise ValueError("a target needs at_least or at_most")


def _against_the_peer(rows: list[Row]) -> Iterator[Verdict]:
    for prefix, limit in SPEED.items():
        if pair := _pair(rows, prefix, "first", 20):
            ours, peer = pair
            yield _verdict(f"{ours['workload']}: times faster", peer["wall"] / ours["wall"], at_least=limit)
            if prefix == "50 000 events":
                yield _verdict(f"{ours['workload']}: share of its CPU", ours["cpu"] / peer["cpu"], at_most=1 / 3)
        if pair := _pair(rows, prefix, "repeat", 20):
            ours, peer = pair
            yield _verdict(f"{ours['workload']}, unchanged: times faster", peer["wall"] / ours["wall"], at_least=4)


def _requests(rows: list[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row["contender"] == "ours" and row["run"] == "first":
            text = f"{row['workload']} at {row['latency_ms']} ms: requests per minimum"
            yield _verdict(text, row["requests"] / row["minimum_requests"], at_most=1.2)


def _against_the_sdk(rows: list[Row]) -> Iterator[Verdict]:
    for prefix in SPEED:
        if pair := _pair(rows, prefix, "first", 0, other="sdk"):
            ours, sdk = pair
            yield _verdict(f"{ours['workload']}: share of the SDK's CPU", ours["cpu"] / sdk["cpu"], at_most=0.5)


def _long_series(rows: list[Row]) -> Iterator[Verdict]:
    if pair := _pair(rows, "1 series", "first", 0, other="relay"):
        ours, relay = pair
        yield _verdict("long series: million points/s", ours["objects"] / ours["wall"] / 1e6, at_least=6)
        yield _verdict("long series: peak RSS in MB", ours["rss_mb"], at_most=300)
        yield _verdict("long series: wall time of a bare relay's", ours["wall"] / relay["wall"], at_most=1.5)


def _pair(rows: list[Row], prefix: str, run: str, latency: int, other: str = "peer") -> tuple[Row, Row] | None:
    found = {
        row["contender"]: row
        for row in rows
        if row["workload"].startswith(prefix) and row["run"] == run and row["latency_ms"] == latency
    }
    return (found["ours"], found[other]) if "ours" in found and other in found else None
