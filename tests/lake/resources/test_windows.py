# SPDX-License-Identifier: Apache-2.0
"""Windows: any order, any number of times, beside each other; the newest version of an object wins, and none is lost."""

from __future__ import annotations

import asyncio
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.resources.exports import Exports

T0 = 1_800_000_000_000
HOUR = 3_600_000


def at(exports: Exports, moment: int) -> None:
    exports.clock.freeze(moment)


def history(exports: Exports) -> None:
    """Three hours: objects are made in each, some of them are changed in a later one."""
    for hour in range(3):
        at(exports, T0 + hour * HOUR)
        exports.project.create("/events", *(event(hour * 10 + n, description="new") for n in range(10)))
        at(exports, T0 + hour * HOUR + HOUR // 2)
        found = exports.project.by_key("/events")
        for number in range(hour):
            exports.project.update("/events", found[f"e{number}"], description={"set": f"in hour {hour}"})
    at(exports, T0 + 3 * HOUR)


def content(exports: Exports) -> dict[str, Any]:
    return {key: row.get("description") for key, row in exports.by("externalId", "events").items()}


def at_source(exports: Exports) -> dict[str, Any]:
    return {key: doc.get("description") for key, doc in exports.project.by_key("/events").items()}


def test_windows_in_any_order_and_twice_give_the_same_table(
    exports_to: Callable[[Lake], Exports], new_lake: Callable[[], Lake]
) -> None:
    exports = exports_to(new_lake())
    history(exports)
    windows = [(T0 + hour * HOUR, T0 + (hour + 1) * HOUR) for hour in range(3)]
    for order in permutations(windows):
        exports.lake = new_lake()
        for window in (*order, order[0]):
            exports.export("events", window, overlap_ms=0)
        assert content(exports) == at_source(exports)


def test_a_window_is_half_open_and_reads_a_little_before_it(exports: Exports) -> None:
    for moment, number in ((T0 - 600_001, 1), (T0 - 600_000, 2), (T0 + HOUR - 1, 3), (T0 + HOUR, 4)):
        at(exports, moment)
        exports.project.create("/events", event(number))
    report = exports.export("events", (T0, T0 + HOUR))
    assert sorted(content(exports)) == ["e2", "e3"]
    assert report.as_dict()["window"]["end"] == "2027-01-15T09:00:00Z"
    exports.export("events", (T0, T0 + HOUR), overlap_ms=600_001)
    assert sorted(content(exports)) == ["e1", "e2", "e3"]


def test_changes_and_ties_within_a_millisecond_are_not_lost(exports: Exports) -> None:
    """A watermark on the time of creation lost updates, and what came in the same millisecond as the last one seen."""

    def same_millisecond(answer: Any) -> None:
        for item in answer["items"]:
            item["lastUpdatedTime"] = item["lastUpdatedTime"] // 1000 * 1000

    exports.rewrite_items("/events", same_millisecond)
    at(exports, T0)
    made = exports.project.create("/events", event(1, description="old"), event(2))
    exports.export("events", (T0, T0 + 1))
    # in the same millisecond as what was read last
    exports.project.create("/events", event(3))
    exports.project.update("/events", made[0], description={"set": "changed at once"})
    at(exports, T0 + HOUR)
    exports.project.update("/events", made[1], description={"set": "changed later"})
    exports.export("events", (T0 + 1, T0 + 2 * HOUR))
    assert content(exports) == {"e1": "changed at once", "e2": "changed later", "e3": None}


def test_an_older_version_never_replaces_a_newer_one(exports: Exports) -> None:
    """The newer one is in the table before the run that has read the older one commits."""
    at(exports, T0)
    made = exports.project.create("/events", event(1, description="old"))[0]

    async def slow() -> None:
        async def run(source: Any) -> None:
            read = asyncio.Event()
            post = source.post_json

            async def held(path: str, payload: Any) -> Any:
                answer = await post(path, payload)
                read.set()
                await go_on.wait()
                return answer

            source.post_json = held
            task = asyncio.create_task(exports.exporting(source, "events", (T0, T0 + HOUR)))
            await read.wait()
            exports.project.sandbox.control.freeze(T0 + 1)
            exports.project.update("/events", made, description={"set": "new"})
            await exports.connected(lambda other: exports.exporting(other, "events", (T0, T0 + HOUR)))
            go_on.set()
            report = await task
            assert (report.read, report.written, report.unchanged) == (1, 0, 1)

        go_on = asyncio.Event()
        await exports.connected(run)

    asyncio.run(slow())
    assert content(exports) == {"e1": "new"}


def test_windows_at_the_same_time(exports: Exports) -> None:
    """Each is refused when another was faster, and merges again."""
    random = Random(5)
    for hour in range(6):
        at(exports, T0 + hour * HOUR)
        exports.project.create("/events", *(event(hour * 100 + n) for n in range(20)))
    found = exports.project.by_key("/events")
    for key in random.sample(sorted(found), 20):
        at(exports, T0 + random.randrange(6 * HOUR))
        exports.project.update("/events", found[key], description={"set": key})
    at(exports, T0 + 7 * HOUR)

    async def all_at_once() -> None:
        windows = [(T0 + hour * HOUR, T0 + (hour + 1) * HOUR) for hour in range(6)]

        async def one(source: CdfClient) -> None:
            await exports.exporting(source, "events", windows.pop(), rows_per_commit=9)

        await asyncio.gather(*(exports.connected(one) for _ in range(6)))

    asyncio.run(all_at_once())
    assert content(exports) == at_source(exports)


def test_many_pages_and_merges_and_objects_that_come_twice(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_replicator.cdf import listing

    exports.project.create("/events", *(event(number) for number in range(3000)))
    monkeypatch.setattr(listing, "PAGE", 100)
    # Partitions are read beside the chain that came before, which they leave out; here they do not.
    monkeypatch.setattr(listing.Reader, "_worth", _three)
    end = exports.clock.now_ms() + 1000
    report = exports.export("events", (0, end), rows_per_commit=700)
    assert len(exports.by("id", "events")) == 3000
    assert (report.read, report.created, report.updated) == (3000, 3000, 0)
    assert exports.table("events").version() == 5
    report = exports.export("events", (0, end), rows_per_commit=700)
    assert (report.created, report.updated) == (0, 3000)
    assert len(exports.by("id", "events")) == 3000


async def _three(*_: Any) -> int:
    return 3


def test_a_window_that_is_quiet_changes_nothing(exports: Exports) -> None:
    report = exports.export("events", (T0, T0 + HOUR))
    assert (report.read, report.written, exports.table("events").version()) == (0, 0, 0)


def test_labels_have_no_times_and_are_read_in_full(exports: Exports) -> None:
    exports.project.create("/labels", *({"externalId": f"l{n}", "name": "n"} for n in range(20)))
    report = exports.export("labels", (T0, T0 + 1))
    assert (report.mode, report.window, report.read) == ("full", None, 20)
    exports.project.call("POST", "/labels/delete", {"items": [{"externalId": "l3"}]})
    assert exports.export("labels", (T0, T0 + 1)).deleted == 1
    assert sorted(exports.by("externalId", "labels")) == sorted(f"l{n}" for n in range(20) if n != 3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resource": "things"}, "resource is 'things'"),
        ({"resource": "events", "mode": "window"}, "needs a window"),
        ({"resource": "labels", "asset_subtree_external_ids": ("a",)}, "belong to no asset"),
        ({"resource": "events", "external_ids": ()}, "empty list"),
        ({"resource": "events", "aggregates": True}, "aggregates are those of assets"),
        ({"resource": "events", "on_misfit": "ignore"}, "on_misfit"),
        ({"resource": "events", "max_delete_fraction": 2}, "max_delete_fraction"),
        ({"resource": "events", "rows_per_commit": 0}, "rows_per_commit"),
        ({"resource": "events", "data_set_external_ids": ("none",)}, "has no data set named 'none'"),
    ],
)
def test_what_means_nothing_is_refused(exports: Exports, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        exports.export(**wrong)
