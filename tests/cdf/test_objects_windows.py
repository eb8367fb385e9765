# SPDX-License-Identifier: Apache-2.0
"""Windows, resumed runs, and how many requests all of it takes."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf import listing
from airflow_provider_replicator.cdf.http.client import CdfClient
from airflow_provider_replicator.cdf.objects import positions
from airflow_provider_replicator.cdf.objects.replicate import replicate_objects
from airflow_provider_replicator.cdf.options import Options, Selection
from airflow_provider_replicator.cdf.resources import RESOURCES
from airflow_provider_replicator.core.checkpoint import Checkpoint, MemoryStore
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import CdfUnavailableError, PartialReplicationError
from tests.acceptance.projects import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
    from airflow_provider_replicator.core.report import Report
    from tests.acceptance.projects import Pair, Project

Doc = dict[str, Any]
HOUR = 3_600_000


def changed(project: Project, path: str) -> list[int]:
    return sorted(doc["lastUpdatedTime"] for doc in project.all(path))


# -- windows


def test_a_window_takes_what_changed_in_it_and_nothing_else(pair: Pair) -> None:
    for n in range(6):
        pair.source.create("/events", {"externalId": f"e{n}"})
    times = changed(pair.source, "/events")
    report = pair.replicate("events", mode="window", window=Window(times[1], times[4]), overlap_ms=0)["events"]
    assert set(pair.target.by_key("/events")) == {"e1", "e2", "e3"}
    assert report.as_dict()["window"]["origin"] == "arguments"
    assert (report.mode, report.read) == ("window", 3)
    pair.replicate("events", mode="window", window=Window(times[5], times[5] + 1), overlap_ms=times[5] - times[4])
    assert set(pair.target.by_key("/events")) == {"e1", "e2", "e3", "e4", "e5"}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_windows_in_any_order_are_one_big_window(pair: Pair, order: tuple[int, ...]) -> None:
    """Parents change in other windows than their children, links point to what a later window brings."""
    source = pair.source
    root = source.create("/assets", {"externalId": "root", "name": "r"})[0]
    a = source.create("/assets", {"externalId": "a", "name": "a", "parentId": root["id"]})[0]
    first = source.sandbox.control.now_ms() + 1
    _after(pair, first)
    nameless = source.create("/assets", {"name": "b", "parentId": a["id"]})[0]
    source.create("/events", {"externalId": "e", "assetIds": [nameless["id"], root["id"]]})
    second = source.sandbox.control.now_ms() + 1
    _after(pair, second)
    source.create("/assets", {"externalId": "c", "name": "c", "parentId": nameless["id"]})
    source.update("/assets", a, name={"set": "changed"})
    end = source.sandbox.control.now_ms() + HOUR
    windows = [Window(0, first), Window(first, second), Window(second, end)]
    for n in order:
        report = pair.replicate("assets", "events", mode="window", window=windows[n], overlap_ms=0)
        assert report["assets"].failed == 0
    pair.replicate("events", mode="window", window=Window(end, end + 1), overlap_ms=0)
    pair.verify("assets", "events")


def _after(pair: Pair, time: int) -> None:
    while pair.source.sandbox.control.now_ms() <= time:
        pair.source.sandbox.control.call("GET", "/_sandbox/health")


def test_a_window_combines_with_a_selection(pair: Pair) -> None:
    for n in range(4):
        pair.source.create("/events", {"externalId": f"e{n}"})
    times = changed(pair.source, "/events")
    window = Window(times[1], times[3])
    selection = Selection(external_ids=("e0", "e1", "e3"))
    report = pair.replicate("events", mode="window", window=window, overlap_ms=0, selection=selection)["events"]
    assert set(pair.target.by_key("/events")) == {"e1"}
    assert (report.read, report.skipped) == (3, {"not_selected": 2})


def test_a_window_links_what_was_unlinked_and_a_mark_goes_when_it_is_done(pair: Pair) -> None:
    assets = pair.source.create("/assets", {"externalId": "a", "name": "a"}, {"externalId": "b", "name": "b"})
    ids = [asset["id"] for asset in assets]
    pair.source.create("/timeseries", *({"externalId": f"s{n}", "assetId": ids[n % 2]} for n in range(6)))
    assert pair.replicate("time_series")["time_series"].unlinked == 6
    late = Window(pair.source.sandbox.control.now_ms() + HOUR, pair.source.sandbox.control.now_ms() + 2 * HOUR)
    pair.replicate("assets", selection=Selection(external_ids=("a",)))
    report = pair.replicate("time_series", mode="window", window=late, overlap_ms=0)["time_series"]
    assert (report.read, report.updated, report.unchanged, report.unlinked) == (6, 3, 3, 3)
    pair.replicate("assets")
    report = pair.replicate("time_series", mode="window", window=late, overlap_ms=0)["time_series"]
    assert (report.read, report.updated, report.unlinked) == (3, 3, 0)
    report = pair.replicate("time_series", mode="window", window=late, overlap_ms=0)["time_series"]
    assert (report.read, report.requests) == (0, {"source": 1, "target": 1})
    pair.verify("assets", "time_series")


def test_what_is_in_the_window_and_marked_is_read_once(pair: Pair) -> None:
    (asset,) = pair.source.create("/assets", {"externalId": "a", "name": "a"})
    pair.source.create("/events", {"externalId": "e", "assetIds": [asset["id"]]})
    now = pair.source.sandbox.control.now_ms()
    for created, unchanged in ((1, 0), (0, 1)):
        report = pair.replicate("events", mode="window", window=Window(0, now + HOUR))["events"]
        assert (report.read, report.created, report.unchanged, report.unlinked) == (1, created, unchanged, 1)


# -- requests


def tree(project: Project, count: int) -> None:
    docs = [{"externalId": "a0", "name": "x"}]
    docs += [{"externalId": f"a{n}", "name": "x", "parentExternalId": f"a{(n - 1) // 8}"} for n in range(1, count)]
    project.create("/assets", *docs)


def test_a_first_load_takes_hardly_more_requests_than_there_are_pages_and_batches(pair: Pair) -> None:
    tree(pair.source, 4000)
    report = pair.replicate("assets")["assets"]
    assert report.created == 4000
    assert sum(report.requests.values()) <= 9
    assert sum(pair.replicate("assets")["assets"].requests.values()) <= 8
    ids = [doc["id"] for doc in pair.source.all("/assets")]
    pair.source.create("/timeseries", *({"externalId": f"s{n}", "assetId": ids[n % 999]} for n in range(20_000)))
    report = pair.replicate("time_series")["time_series"]
    assert (report.created, report.unlinked) == (20_000, 0)
    assert sum(report.requests.values()) <= 48


def test_a_target_that_is_not_empty_after_all_is_asked_from_then_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target has nothing of the first page, but all of the others: not every page may run into that."""
    monkeypatch.setattr(listing, "PAGE", 20)
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(2000)))
    names = tuple(f"e{n}" for n in range(20, 2000))
    pair.replicate("events", selection=Selection(external_ids=names))
    assert pair.replicate("events", dry_run=True)["events"].created == 20
    refused = []

    def after(request: HttpRequest, answer: HttpResponse) -> None:
        if answer.status == 409:
            refused.append(request.path)

    pair.wrap["target"] = lambda transport: Watched(transport, after=after)
    report = pair.replicate("events")["events"]
    assert (report.created, report.unchanged) == (20, 1980)
    assert len(refused) < 20


def test_partitions_are_used_where_a_page_takes_long(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty pages at 100 ms each: read side by side, at hardly more requests; nothing twice."""
    monkeypatch.setattr(listing, "PAGE", 100)
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(5000)))
    control = pair.source.sandbox.control
    control.settings(latency_ms=100)
    control.reset_counters()
    try:
        report = pair.replicate("events")["events"]
    finally:
        control.settings(latency_ms=0)
    assert (report.read, report.created) == (5000, 5000)
    assert report.requests["source"] <= 60
    peaks = control.counters()["peak_concurrency"]
    assert peaks[f"{pair.source.name} POST /events/list"] >= 3  # what 23 pages a second can feed
    assert len(pair.target.all("/events")) == 5000


def test_an_unchanged_second_run_reads_in_more_partitions(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is written, reading is what takes the time: shorter partitions are worth their request."""
    monkeypatch.setattr(listing, "PAGE", 100)
    monkeypatch.setattr(CdfClient, "rate", lambda *_: None)
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(5000)))
    asked: set[str] = set()

    def before(request: HttpRequest) -> HttpResponse | None:
        if request.path == "/events/list" and request.body:
            asked.add(json.loads(request.body).get("partition", ""))
        return None

    def partitions() -> int:
        asked.clear()
        pair.replicate("events")
        return len(asked - {""})

    pair.wrap["source"] = lambda transport: Watched(transport, before=before)
    assert partitions() == 5
    assert partitions() == 10


# -- killed and tried again


class Killed(BaseException):
    """What a process sees of SIGKILL."""


def killed(pair: Pair, *, after: int, store: MemoryStore, resource: str = "events", **options: Any) -> Report | None:
    """One try of a run that is killed at its ``after``-th request to the target; None if it was."""
    seen = itertools.count()

    def before(_: HttpRequest) -> HttpResponse | None:
        if next(seen) >= after:
            raise Killed
        return None

    pair.wrap["target"] = lambda transport: Watched(transport, before=before)

    async def program(source: CdfClient, target: CdfClient) -> Report:
        checkpoint = Checkpoint(store, "run")
        return await replicate_objects(
            resource, source=source, target=target, options=Options(**options), checkpoint=checkpoint
        )

    try:
        report: Report = pair.run(program)
    except Killed:
        return None
    finally:
        pair.wrap.clear()
    return report


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(listing, "PAGE", 50)
    monkeypatch.setattr(positions, "SAVE_EVERY_MS", 0)
    assets = RESOURCES["assets"]  # frozen, so it is thawed by force
    object.__setattr__(assets, "create_limit", 50)
    yield
    object.__setattr__(assets, "create_limit", 1000)


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("resource", ["events", "assets"])
def test_a_killed_run_goes_on_where_it_was(pair: Pair, resource: str) -> None:
    path = f"/{resource}"
    pair.source.create(path, *({"externalId": f"e{n}", "name": "x"} for n in range(1000)))
    store = MemoryStore()
    report = None
    tries = 0
    while report is None:
        tries += 1
        assert tries < 50
        report = killed(pair, after=6 * tries if resource == "assets" else 6, store=store, resource=resource)
    assert tries > 2
    assert len(pair.target.all(path)) == 1000
    assert report.resumed == (resource == "events")
    if resource == "events":
        assert report.read == report.created + report.unchanged == 1000
        assert report.requests["source"] < 20
    assert Checkpoint(store, "run").load() is None
    pair.verify(resource)


@pytest.mark.usefixtures("small_pages")
def test_a_run_killed_while_it_reads_partitions_forgets_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGES_PER_PARTITION", 2)
    monkeypatch.setattr(CdfClient, "rate", lambda *_: None)
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(1000)))
    store = MemoryStore()
    assert killed(pair, after=15, store=store) is None
    state = Checkpoint(store, "run").load()
    assert state is not None
    assert state["partitions"] == {"0": 8}
    assert any(":" in stream for stream in state["cursors"])
    report = killed(pair, after=10**9, store=store)
    assert report is not None
    assert report.resumed
    assert 1000 <= report.read == report.created + report.unchanged <= 1200
    assert len(pair.target.all("/events")) == 1000


@pytest.mark.usefixtures("small_pages")
def test_a_resumed_run_remembers_what_was_refused(pair: Pair) -> None:
    pair.source.create("/timeseries", *({"externalId": f"s{n}", "name": "n"} for n in range(500)))
    pair.target.create("/timeseries", {"externalId": "s3", "isString": True})
    store = MemoryStore()
    assert killed(pair, after=8, store=store, resource="time_series") is None
    with pytest.raises(PartialReplicationError, match="s3: isString differs") as caught:
        killed(pair, after=10**9, store=store, resource="time_series")
    assert (caught.value.report["failed"], caught.value.report["resumed"]) == (1, True)


@pytest.mark.usefixtures("small_pages")
def test_a_cursor_that_the_server_no_longer_takes_means_from_the_start(pair: Pair) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(500)))
    store = MemoryStore()
    assert killed(pair, after=8, store=store) is None
    checkpoint = Checkpoint(store, "run")
    state = checkpoint.load()
    assert state is not None
    assert state["cursors"]["0"]
    state["cursors"]["0"] = "expired"
    checkpoint.save(state)
    report = killed(pair, after=10**9, store=store)
    assert report is not None
    assert len(pair.target.all("/events")) == 500


@pytest.mark.usefixtures("small_pages")
def test_an_outage_keeps_the_checkpoint(pair: Pair) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(300)))
    store = MemoryStore()
    pair.source.sandbox.control.fault(
        path="/events", method="POST", project=pair.target.name, nth=3, times=1000, kind="status", status=503
    )
    with pytest.raises(CdfUnavailableError):
        killed(pair, after=10**9, store=store)
    pair.source.sandbox.control.clear_faults()
    report = killed(pair, after=10**9, store=store)
    assert report is not None
    assert report.resumed
    pair.verify("events")


@pytest.mark.usefixtures("small_pages")
def test_a_run_with_deletes_never_skips_what_it_read_before(pair: Pair) -> None:
    """Its deletes need every key of the source: a checkpoint would make them look deleted."""
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(300)))
    pair.replicate("events")
    store = MemoryStore()
    assert killed(pair, after=3, store=store, delete_missing=True) is None
    report = killed(pair, after=10**9, store=store, delete_missing=True)
    assert report is not None
    assert (report.deleted, report.unchanged, report.resumed) == (0, 300, False)


def test_memory_is_bounded_by_pages_not_by_data(pair: Pair) -> None:
    """Never more than so many pages are on their way between the two sides."""
    pair.source.create("/events", *({"externalId": f"e{n}"} for n in range(6000)))
    on_their_way = peak = 0

    def read(request: HttpRequest, _: HttpResponse) -> None:
        nonlocal on_their_way, peak
        on_their_way += request.path == "/events/list"
        peak = max(peak, on_their_way)

    def written(request: HttpRequest, _: HttpResponse) -> None:
        nonlocal on_their_way
        on_their_way -= request.path == "/events"

    pair.wrap["source"] = lambda transport: Watched(transport, after=read)
    pair.wrap["target"] = lambda transport: Watched(transport, after=written)

    async def program(source: CdfClient, target: CdfClient) -> Report:
        return await replicate_objects("events", source=source, target=target, options=Options(), pages_in_flight=2)

    assert pair.run(program).created == 6000
    assert peak <= 3
