# SPDX-License-Identifier: Apache-2.0
"""The demo's own comparison has to see every kind of difference: it is what vouches for the engine."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
import pytest

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from scripts.demo import compare, data_set, loading
from scripts.demo.clients import client
from tests.demo import small_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.demo.compare import Project


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    data = data_set.read(small_wheel.make(tmp_path_factory.mktemp("wheel") / "small.whl"))
    with RunningSandbox(token="t") as sandbox:
        connected = client(sandbox.base_url, "source", "t")
        loading.load(connected, data)
        return compare.read(connected)


def replica(source: Project) -> Project:
    """What a perfect replication would leave: other ids, provenance, everything else the same."""
    target = deepcopy(source)
    target.name = "target"
    for resource, ids in source.ids.items():
        target.ids[resource] = {key: number + 1 for key, number in ids.items()}
        target.provenance[resource] = {
            key: {"_replicatedSource": source.name, "_replicatedInternalId": str(number), "_replicatedTime": "1"}
            for key, number in ids.items()
        }
    return target


def test_a_perfect_replica_has_no_difference(loaded: Project) -> None:
    found = compare.compare(loaded, replica(loaded))
    assert {name: (counts.source, counts.different, counts.first) for name, counts in found.items()} == {
        "data_sets": (6, 0, []),
        "labels": (2, 0, []),
        "assets": (3, 0, []),
        "events": (3, 0, []),
        "time_series": (2, 0, []),
        "datapoints": (4, 0, []),
        "raw": (11, 0, []),
    }


def lose_an_asset(target: Project) -> None:
    del target.objects["assets"]["A:3"]


def invent_an_event(target: Project) -> None:
    target.objects["events"]["X"] = {"externalId": "X", "metadata": {}}


def forget_a_description(target: Project) -> None:
    del target.objects["events"]["W-1"]["description"]


def move_an_asset(target: Project) -> None:
    target.objects["assets"]["A:3"]["parentId"] = "A:1"


def lose_a_link(target: Project) -> None:
    target.objects["events"]["W-1"]["assetIds"] = ["A:2"]


def forget_the_origin(target: Project) -> None:
    target.provenance["assets"]["A:1"] = {}


def lose_a_point(target: Project) -> None:
    series = target.points["pi_1"]
    target.points["pi_1"] = compare.Points(series.timestamps[1:], series.values[1:])


def change_a_value(target: Project) -> None:
    series = target.points["pi_1"]
    target.points["pi_1"] = compare.Points(series.timestamps, series.values + np.array([0.0, 1.0]))


def change_a_row(target: Project) -> None:
    key = next(iter(target.rows))
    target.rows[key] = {**target.rows[key], "extra": "1"}


@pytest.mark.parametrize(
    ("harm", "resource", "word"),
    [
        (lose_an_asset, "assets", "A:3: missing in the target"),
        (invent_an_event, "events", "X: only in the target"),
        (forget_a_description, "events", "W-1: description is 'Smøreoljeprøve' at the source, None in the target"),
        (move_an_asset, "assets", "A:3: parentId is 'A:2' at the source, 'A:1' in the target"),
        (lose_a_link, "events", "W-1: assetIds"),
        (forget_the_origin, "assets", "A:1: provenance"),
        (lose_a_point, "datapoints", "pi_1: 1 points differ"),
        (change_a_value, "datapoints", "pi_1: 1 points differ"),
        (change_a_row, "raw", "extra is None at the source, '1' in the target"),
    ],
)
def test_every_harm_is_seen(loaded: Project, harm: Callable[[Project], None], resource: str, word: str) -> None:
    target = replica(loaded)
    harm(target)
    found = compare.compare(loaded, target)
    assert {name for name, counts in found.items() if counts.different} == {resource}
    assert found[resource].different == 1
    assert word in found[resource].first[0]


def test_written_objects_and_rows_are_seen_by_their_time_stamps(loaded: Project) -> None:
    later = deepcopy(loaded)
    assert compare.touched(loaded, later) == {}
    later.touched["assets"]["A:2"] += 1
    later.touched["events"]["new"] = 1
    row = next(iter(later.touched["raw"]))
    later.touched["raw"][row] += 1
    assert compare.touched(loaded, later) == {"assets": {"A:2"}, "events": {"new"}, "raw": {row}}


def test_nan_equals_nan() -> None:
    series = compare.Points(np.array([1, 2]), np.array([np.nan, 1.0]))
    assert compare._different_points(series, deepcopy(series)) == 0
    assert compare._different_points(series, compare.Points(series.timestamps, np.array([0.0, 1.0]))) == 1
