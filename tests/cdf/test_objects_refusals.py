# SPDX-License-Identifier: Apache-2.0
"""What the target refuses, answers that never come, and how the rest is written all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
from airflow_provider_replicator.cdf.listing import PAGE
from airflow_provider_replicator.cdf.objects.breaker import Breaker
from airflow_provider_replicator.exceptions import (
    CdfAccessError,
    CdfUnavailableError,
    CircuitOpenError,
    PartialReplicationError,
)
from tests.acceptance.projects import Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.projects import Pair

Doc = dict[str, Any]


def refusing(
    pair: Pair, path: str, is_bad: Callable[[Doc], bool], *, status: int = 400, message: str = "no good"
) -> list[int]:
    """The target refuses each request to ``path`` with a bad item; the sizes of the requests are returned as they come."""
    sizes: list[int] = []

    def before(request: HttpRequest) -> HttpResponse | None:
        if request.path != path:
            return None
        items = json.loads(request.body)["items"]
        sizes.append(len(items))
        if any(is_bad(item) for item in items):
            return HttpResponse(status, json.dumps({"error": {"code": status, "message": message}}).encode())
        return None

    pair.wrap["target"] = lambda transport: Watched(transport, before=before)
    return sizes


def events(pair: Pair, count: int) -> None:
    pair.source.create("/events", *({"externalId": f"e{n}", "type": "t"} for n in range(count)))


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_refused_objects_are_found_and_the_rest_is_written(pair: Pair, status: int, tmp_path: Path) -> None:
    events(pair, 2500)
    bad = {"e0", "e999", "e1000", "e1700", "e1701", "e2499"}
    sizes = refusing(pair, "/events", lambda item: item["externalId"] in bad, status=status)
    letters = tmp_path / "letters" / "events.jsonl"
    with pytest.raises(PartialReplicationError, match="6 of 2500 could not be copied") as caught:
        pair.replicate("events", dead_letter_path=str(letters))
    report = caught.value.report
    assert (report["created"], report["failed"], report["read"]) == (2494, 6, 2500)
    lines = [json.loads(line) for line in letters.read_text().splitlines()]
    assert {line["key"] for line in lines} == bad
    assert all(line["document"]["id"] and line["reason"] == "no good" for line in lines)
    assert len(sizes) < 3 + len(bad) * 2 * 10 + 3 * 5
    assert pair.replicate("events", max_failed=6)["events"].failed == 6


def test_refused_updates_are_found_and_the_rest_is_written(pair: Pair) -> None:
    events(pair, 300)
    pair.replicate("events")
    for doc in pair.source.all("/events"):
        if int(doc["externalId"][1:]) % 3 == 0:
            pair.source.update("/events", doc, type={"set": f"new {doc['externalId']}"})
    refusing(pair, "/events/update", lambda item: item["update"]["type"]["set"] == "new e99")
    report = pair.replicate("events", max_failed=1)["events"]
    assert (report.updated, report.failed, report.unchanged) == (99, 1, 200)
    assert report.dead_letters == ["e99: no good"]


def test_when_everything_is_refused_for_one_reason_the_run_stops(pair: Pair, tmp_path: Path) -> None:
    events(pair, 20 * PAGE)
    sizes = refusing(pair, "/events", lambda item: True, message="dataSetId 123 is not allowed for 'x'")
    letters = tmp_path / "letters.jsonl"
    with pytest.raises(CircuitOpenError, match="dataSetId 123 is not allowed"):
        pair.replicate("events", dead_letter_path=str(letters), max_failed=10**6)
    assert len(sizes) < 400  # of 40 000 that would tell no more
    assert letters.read_text().count("\n") >= 5  # what is known is recorded


def test_a_whole_page_of_bad_objects_among_good_ones_does_not_stop_the_run(pair: Pair) -> None:
    events(pair, 4000)
    refusing(pair, "/events", lambda item: 1000 <= int(item["externalId"][1:]) < 1300)
    report = pair.replicate("events", max_failed=10**6)["events"]
    assert (report.created, report.failed) == (3700, 300)


def test_the_breaker_counts_batches_in_a_row_of_one_kind() -> None:
    breaker = Breaker()
    for n in range(20):
        breaker.refused(f"object {n} is too long", 1000)
        breaker.refused(f"object '{n}' is too long", 1000)
        breaker.passed()
    for n in range(20):
        breaker.refused(f"{'abc'[n % 3]} is wrong", 1000)
    for _ in range(6):
        breaker.refused("single objects say little", 3)
    with pytest.raises(CircuitOpenError, match=r"7 batches in a row \(21 objects\)"):
        breaker.refused("single objects say little", 3)


WRITES = {
    "data_sets": "/datasets",
    "labels": "/labels",
    "assets": "/assets",
    "events": "/events",
    "time_series": "/timeseries",
}
FAULTS: list[Doc] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429, "retry_after": 0},
    {"kind": "status", "status": 429},
    {"kind": "status_after_commit", "status": 502},
    {"kind": "status_after_commit", "status": 504},
    {"kind": "reset"},
    {"kind": "reset_after_commit"},
    {"kind": "truncated_body"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
@pytest.mark.parametrize("resource", WRITES)
def test_every_fault_on_every_create(pair: Pair, resource: str, fault: Doc) -> None:
    path = WRITES[resource]
    made = pair.source.create(path, *({"externalId": f"x{n}", "name": f"n{n}"} for n in range(8)))
    pair.target.sandbox.control.fault(path=path, method="POST", project=pair.target.name, times=2, **fault)
    report = pair.replicate(resource)[resource]
    assert (report.created, report.unchanged, report.failed) == (len(made), 0, 0)
    assert len(pair.target.all(path)) == len(made)
    pair.verify(resource)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}")
@pytest.mark.parametrize("verb", ["update", "delete", "list", "byids"])
def test_every_fault_on_everything_else(pair: Pair, verb: str, fault: Doc) -> None:
    made = pair.source.create("/assets", *({"externalId": f"x{n}", "name": "n"} for n in range(10)))
    pair.replicate("assets")
    pair.source.update("/assets", made[0], name={"set": "new"})
    pair.source.delete("/assets", made[1])
    pair.target.sandbox.control.fault(path=f"/assets/{verb}", method="POST", times=2, **fault)
    report = pair.replicate("assets", delete_missing=True, max_delete_fraction=0.2)["assets"]
    assert (report.updated, report.unchanged, report.deleted) == (1, 8, 1)
    pair.verify("assets")


def test_an_outage_is_transient_and_the_next_try_completes(pair: Pair) -> None:
    events(pair, 5)
    pair.target.sandbox.control.fault(path="/events", method="POST", times=1000, kind="status", status=503)
    with pytest.raises(CdfUnavailableError):
        pair.replicate("events")
    pair.target.sandbox.control.clear_faults()
    assert pair.replicate("events")["events"].created == 5


def test_no_access_stops_at_once(pair: Pair) -> None:
    events(pair, 5)
    pair.target.sandbox.control.fault(path="/events", method="POST", times=1000, kind="status", status=403)
    with pytest.raises(CdfAccessError):
        pair.replicate("events")


def test_an_object_deleted_in_the_target_while_it_is_compared_is_made_again(pair: Pair) -> None:
    events(pair, 20)
    pair.replicate("events")
    for doc in pair.source.all("/events"):
        pair.source.update("/events", doc, type={"set": "new"})
    victims = [pair.target.by_key("/events")[name] for name in ("e3", "e17")]

    def after(request: HttpRequest, _: HttpResponse) -> None:
        while request.path == "/events/byids" and victims:
            pair.target.delete("/events", victims.pop())

    pair.wrap["target"] = lambda transport: Watched(transport, after=after)
    report = pair.replicate("events")["events"]
    assert (report.created, report.updated, report.failed) == (2, 18, 0)
    pair.verify("events")


def test_objects_that_appear_in_the_target_meanwhile_are_compared(pair: Pair) -> None:
    """The target was empty, so nobody asks again; then somebody else writes the same keys."""
    pair.source.create("/assets", *({"externalId": f"a{n}", "name": f"n{n}"} for n in range(30)))
    seen: list[int] = []

    def after(request: HttpRequest, _: HttpResponse) -> None:
        if request.path == "/assets/byids" and not seen:
            seen.append(1)
            pair.target.create("/assets", {"externalId": "a3", "name": "theirs"}, {"externalId": "a4", "name": "n4"})

    pair.wrap["target"] = lambda transport: Watched(transport, after=after)
    report = pair.replicate("assets")["assets"]
    assert (report.created, report.updated) == (28, 2)
    pair.verify("assets")


def test_an_answer_lost_after_some_existed_already(pair: Pair) -> None:
    """Refused as duplicated, the rest sent again, that answer lost, so refused again: none of it is a failure."""
    pair.source.create("/events", {"externalId": "e0"}, {"externalId": "e1"})
    control = pair.target.sandbox.control

    def after(request: HttpRequest, _: HttpResponse) -> None:
        if request.path == "/events/byids" and not pair.target.all("/events"):
            pair.target.create("/events", {"externalId": "e1"})
            control.fault(path="/events", method="POST", project=pair.target.name, nth=2, kind="reset_after_commit")

    pair.wrap["target"] = lambda transport: Watched(transport, after=after)
    report = pair.replicate("events")["events"]
    assert (report.created, report.updated, report.failed) == (1, 1, 0)


@pytest.mark.parametrize("path", ["/events", "/assets"])
def test_a_document_that_comes_twice_is_copied_once(pair: Pair, path: str) -> None:
    """Pages shift when the source changes while it is read."""
    pair.source.create(path, *({"externalId": f"x{n}", "name": "n"} for n in range(10)))

    class Twice(Watched):
        async def send(self, request: HttpRequest) -> HttpResponse:
            answer = await self.inner.send(request)
            if not request.path.endswith("/list"):
                return answer
            body = json.loads(answer.body)
            body["items"] += body["items"][3:5]
            return HttpResponse(answer.status, json.dumps(body).encode(), answer.headers)

    pair.wrap["source"] = Twice
    report = pair.replicate(path[1:])[path[1:]]
    assert (report.read, report.created, report.failed) == (10, 10, 0)
    assert report.requests["target"] == 2


def test_a_refused_parent_takes_its_branch_with_it(pair: Pair) -> None:
    docs = [{"externalId": "root", "name": "r"}]
    docs += [
        {"externalId": f"a{n}", "name": "x", "parentExternalId": "root" if n < 3 else f"a{n % 3}"} for n in range(60)
    ]
    docs += [{"externalId": "deep", "name": "x", "parentExternalId": "a10"}]
    pair.source.create("/assets", *docs)
    refusing(pair, "/assets", lambda item: item["externalId"] == "a1")
    with pytest.raises(PartialReplicationError) as caught:
        pair.replicate("assets")
    report = caught.value.report
    assert (report["created"], report["failed"]) == (41, 21)
    assert "a1: no good" in report["dead_letters"]
    assert "a10: its parent 'a1' was refused" in report["dead_letters"]
    assert "deep" not in pair.target.by_key("/assets")


def test_a_branch_over_many_batches_falls_off_too(pair: Pair) -> None:
    docs: list[Doc] = [
        {"externalId": "root", "name": "r"},
        {"externalId": "bad", "name": "b", "parentExternalId": "root"},
    ]
    docs += [{"externalId": f"a{n}", "name": "x", "parentExternalId": ("root", "bad")[n % 2]} for n in range(5000)]
    pair.source.create("/assets", *docs)
    sizes = refusing(pair, "/assets", lambda item: item["externalId"] == "bad")
    report = pair.replicate("assets", max_failed=10**6)["assets"]
    assert (report.created, report.failed) == (2501, 2501)
    assert len(sizes) < 40
