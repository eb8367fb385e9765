# SPDX-License-Identifier: Apache-2.0
"""Properties of replication for any content that the API takes: hypothesis makes the content, the simulated world runs it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.core.window import Window
from tests.simulation.object_schedule import ObjectSchedule
from tests.simulation.oracle import judge_points
from tests.simulation.plan import Plan
from tests.simulation.process import MortalStore
from tests.simulation.small import small
from tests.simulation.stream_schedule import PointSchedule, RawSchedule
from tests.simulation.virtual_loop import Crash
from tests.simulation.world import Weather

Doc = dict[str, Any]

EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
FIRST_MS, END_MS = -2_208_988_800_000, 4_102_444_800_000

#: CDF refuses NUL, and JSON cannot carry lone surrogates.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
metadata = st.dictionaries(
    text, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4
)
common = {"description": text, "metadata": metadata, "source": text}
places = st.lists(st.integers(0, 30), max_size=4)


def documents(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[list[Doc]]:
    return st.lists(st.fixed_dictionaries(required, optional=optional), max_size=8)


#: ``parent`` and ``assets`` are places in the list of assets, taken modulo its length.
content = st.fixed_dictionaries(
    {
        "assets": documents({"name": text, "keyed": st.booleans(), "parent": st.none() | st.integers(0, 30)}, common),
        "events": documents(
            {"keyed": st.booleans(), "assets": places},
            {**common, "type": text, "startTime": st.integers(0, END_MS - 1), "subtype": text},
        ),
        "time_series": documents(
            {"keyed": st.booleans(), "assets": places, "isString": st.booleans()},
            {"description": text, "metadata": metadata, "name": text, "unit": text, "isStep": st.booleans()},
        ),
    }
)


class Given(ObjectSchedule):
    """A source with given content."""

    def __init__(self, plan: Plan, given_content: dict[str, list[Doc]]) -> None:
        super().__init__(plan)
        self._given = given_content

    def populate(self) -> None:
        assets = self._create("/assets", "a", self._given["assets"], [])
        self._create("/events", "e", self._given["events"], assets)
        self._create("/timeseries", "t", self._given["time_series"], assets)
        self.settle()

    def _create(self, path: str, prefix: str, given_docs: list[Doc], assets: list[int]) -> list[int]:
        made = list(assets)
        for number, given_doc in enumerate(given_docs):
            doc = {name: value for name, value in given_doc.items() if name not in ("keyed", "parent", "assets")}
            if given_doc["keyed"]:
                doc["externalId"] = f"{prefix}{number}"
            self._refer(path, doc, given_doc, made)
            created = self.world.call("source", "POST", path, {"items": [doc]})["items"][0]
            if path == "/assets":
                made.append(created["id"])
        return made

    @staticmethod
    def _refer(path: str, doc: Doc, given_doc: Doc, assets: list[int]) -> None:
        chosen = sorted({assets[place % len(assets)] for place in given_doc.get("assets", ())}) if assets else []
        if path == "/assets" and given_doc["parent"] is not None and assets:
            doc["parentId"] = assets[given_doc["parent"] % len(assets)]
        if path == "/events" and chosen:
            doc["assetIds"] = chosen
        if path == "/timeseries" and chosen:
            doc["assetId"] = chosen[0]


OBJECTS = Plan(seed=0, what="objects", resources=("assets", "events", "time_series"))


@EXAMPLES
@given(content, st.sampled_from([0, 1, 3]))
def test_replicating_twice_is_replicating_once(given_content: dict[str, list[Doc]], batch: int) -> None:
    schedule = Given(OBJECTS, given_content)
    schedule.populate()
    with small(batch, 0):
        schedule.undisturbed_run()
        schedule.assert_right()
        schedule.assert_nothing_left_to_write()


@EXAMPLES
@given(content, st.sampled_from([0, 1, 3]), st.integers(0, 120))
def test_a_crash_at_any_step_and_a_retry_is_an_undisturbed_run(
    given_content: dict[str, list[Doc]], batch: int, step: int
) -> None:
    schedule = Given(OBJECTS, given_content)
    schedule.populate()
    left = step

    def crash() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    with small(batch, 0):
        for task in schedule.tasks():
            store = MortalStore()
            try:
                schedule.run_task(task, store, Weather(), crash)
            except Crash:
                schedule.run_task(task, store, Weather(), None)
        schedule.assert_right()
        schedule.assert_nothing_left_to_write()


times = st.integers(FIRST_MS, END_MS - 1)
near = st.integers(0, 100).map(lambda n: 1_704_067_200_000 + n * 1000)
numbers = st.floats(-1e100, 1e100, allow_nan=False)
#: Up to 1 023 bytes of UTF-8.
strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255)
statuses = st.sampled_from([None, {"code": 0}, {"code": 0x40000000}, {"code": 0x80000000}, {"code": 0x808C0000}])


def points(value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Doc]]:
    point = st.fixed_dictionaries({"timestamp": times | near, "value": value, "status": statuses})
    return st.lists(point, max_size=30, unique_by=lambda one: one["timestamp"])


class GivenPoints(PointSchedule):
    """Two series with given points, of numbers and of strings."""

    def fill(self, given_points: dict[str, list[Doc]]) -> None:
        for key, series in given_points.items():
            definition = {"externalId": key, "isString": key == "strings"}
            for project in ("source", "target"):
                self.world.call(project, "POST", "/timeseries", {"items": [definition]})
            datapoints = [{name: value for name, value in point.items() if value is not None} for point in series]
            if datapoints:
                item = {"externalId": key, "datapoints": datapoints}
                self.world.call("source", "POST", "/timeseries/data", {"items": [item]})

    def run(self, window: Window | None) -> None:
        self.run_task(self._task(window), MortalStore(), Weather(), None)


both_kinds = st.fixed_dictionaries({"numbers": points(numbers), "strings": points(strings)})


@EXAMPLES
@given(
    both_kinds,
    st.lists(times | near, max_size=6, unique=True),
    st.randoms(use_true_random=False),
    st.sampled_from([0, 5]),
)
def test_windows_in_any_order_are_one_big_window(
    given_points: dict[str, list[Doc]], cuts: list[int], order: Any, page: int
) -> None:
    schedule = GivenPoints(Plan(seed=0, what="datapoints", windows=True))
    schedule.fill(given_points)
    edges = sorted({FIRST_MS, END_MS, *cuts})
    windows = [Window(start, end) for start, end in pairwise(edges)]
    order.shuffle(windows)
    with small(0, page):
        for window in windows:
            schedule.run(window)
        assert judge_points(schedule.world, "source", "target") == []
        before = schedule.world.writes["target"]
        schedule.run(Window(FIRST_MS, END_MS))
        assert schedule.world.writes["target"] == before


@EXAMPLES
@given(both_kinds, st.sampled_from([0, 5]), st.booleans())
def test_any_points_arrive_as_they_are(given_points: dict[str, list[Doc]], page: int, compare: bool) -> None:
    schedule = GivenPoints(Plan(seed=0, what="datapoints", compare=compare))
    schedule.fill(given_points)
    with small(0, page):
        for _ in range(2):
            schedule.run(None)
            assert judge_points(schedule.world, "source", "target") == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
rows = st.dictionaries(text, st.dictionaries(text, json_values, max_size=4), max_size=12)


@EXAMPLES
@given(rows, st.sampled_from([0, 2]))
def test_any_raw_rows_arrive_as_they_are(given_rows: dict[str, Doc], batch: int) -> None:
    schedule = RawSchedule(Plan(seed=0, what="raw"))
    items = [{"key": key, "columns": columns} for key, columns in given_rows.items()]
    schedule.world.call("source", "POST", "/raw/dbs/db/tables/t/rows?ensureParent=true", {"items": items})
    with small(batch, 0):
        schedule.undisturbed_run()
        schedule.assert_right()
        schedule.undisturbed_run()
        schedule.assert_right()
