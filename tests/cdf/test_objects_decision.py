# SPDX-License-Identifier: Apache-2.0
"""What a document becomes, and what a difference is: pure, in milliseconds."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.cdf import identity
from airflow_provider_replicator.cdf.objects.decision import difference
from airflow_provider_replicator.cdf.objects.mapping import Mapper
from airflow_provider_replicator.cdf.objects.tally import Tally, Totals
from airflow_provider_replicator.cdf.objects.verdicts import Decider
from airflow_provider_replicator.cdf.references import Names
from airflow_provider_replicator.cdf.resources import RESOURCES, resource_named
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.objects.verdicts import Verdicts
    from airflow_provider_replicator.cdf.options import OnConflict

Doc = dict[str, Any]
NOW = "1700000000000"


@pytest.mark.parametrize(
    ("desired", "held", "patches"),
    [
        ({"name": "a"}, {"name": "a"}, {}),
        ({"name": "b"}, {"name": "a"}, {"name": {"set": "b"}}),
        ({"name": "a"}, {}, {"name": {"set": "a"}}),
        ({}, {"description": "x"}, {"description": {"setNull": True}}),
        ({}, {"labels": [{"externalId": "l"}]}, {"labels": {"set": []}}),
        ({}, {"metadata": {"a": "b"}}, {"metadata": {"set": {}}}),
        ({}, {"geoLocation": {"type": "Feature"}}, {"geoLocation": {"setNull": True}}),
        ({"metadata": {"a": "c"}}, {"metadata": {"a": "b", "d": "e"}}, {"metadata": {"set": {"a": "c"}}}),
        # absent and empty are the same, zero and false are not
        ({"metadata": {}, "assetIds": []}, {}, {}),
        ({}, {"metadata": {}, "assetIds": [], "description": None}, {}),
        ({"startTime": 0}, {}, {"startTime": {"set": 0}}),
        ({}, {"startTime": 0}, {"startTime": {"setNull": True}}),
        ({}, {"isStep": False}, {"isStep": {"setNull": True}}),
        ({"description": ""}, {}, {"description": {"set": ""}}),
        # the order of references means nothing, how many there are does
        ({"assetIds": [2, 1]}, {"assetIds": [1, 2]}, {}),
        ({"assetIds": [1, 1]}, {"assetIds": [1, 2]}, {"assetIds": {"set": [1, 1]}}),
        (
            {"labels": [{"externalId": "a"}, {"externalId": "b"}]},
            {"labels": [{"externalId": "b"}, {"externalId": "a"}]},
            {},
        ),
        # a field nobody has heard of yet
        ({"invented": {"deep": [1]}}, {"invented": {"deep": [2]}}, {"invented": {"set": {"deep": [1]}}}),
    ],
)
def test_difference(desired: Doc, held: Doc, patches: Doc) -> None:
    assert difference(desired, held) == patches


values = st.one_of(st.text(max_size=3), st.integers(0, 2), st.booleans(), st.lists(st.integers(0, 2), max_size=2))
documents = st.dictionaries(st.sampled_from(["a", "b", "c", "metadata2"]), values, max_size=4)


@settings(deadline=None)
@given(documents, documents)
def test_a_difference_applied_leaves_none(desired: Doc, held: Doc) -> None:
    for name, patch in difference(desired, held).items():
        if "setNull" in patch:
            del held[name]
        else:
            held[name] = patch["set"]
    assert difference(desired, held) == {}


def test_keys() -> None:
    assert identity.key_of({"externalId": "x", "id": 5}, "p") == "x"
    made = identity.key_of({"id": 5}, "a:b")
    assert made == "replicated:a:b:5"
    assert identity.number_of(made, "a:b") == 5
    assert identity.number_of(made, "a") is None
    assert identity.number_of("replicated:a:b:x", "a:b") is None
    assert identity.number_of("x", "p") is None


def test_an_unknown_resource_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'time-series'.*time_series"):
        resource_named("time-series")


def _mapped(resource: str, *docs: Doc, tally: Tally | None = None, **options: Any) -> list[Any]:
    """Documents mapped from project "src"; asset and data set ids below 100 are in the target, plus 1000."""

    async def look_up(ids: list[int]) -> dict[int, int]:
        return {number: number + 1000 for number in ids if number < 100}

    async def run() -> list[Any]:
        client: Any = SimpleNamespace(project="src")
        mapper = Mapper(RESOURCES[resource], client, client, **options)
        mapper._ids = {name: Names(look_up) for name in mapper._ids}
        return await mapper.map(docs, tally if tally is not None else Tally())

    return asyncio.run(run())


def _decided(
    resource: str, *docs: Doc, held: dict[str, Doc], tally: Tally | None = None, on_conflict: OnConflict = "adopt"
) -> Verdicts:
    decider = Decider(RESOURCES[resource], "src", on_conflict, NOW)
    return decider.decide(_mapped(resource, *docs), held, tally if tally is not None else Tally())


def _copy_of(resource: str, doc: Doc, **more: Any) -> Doc:
    """What the target holds right after ``doc`` was created there."""
    ((_, desired, _),) = _decided(resource, doc, held={}).creates
    metadata = {**desired.get("metadata", {}), identity.TIME: "1"}
    copy: Doc = {**desired, "id": 77, "createdTime": 1, "lastUpdatedTime": 1, "metadata": metadata, **more}
    return copy


def test_a_copy_has_what_the_source_has_and_provenance() -> None:
    doc = {
        "id": 5,
        "createdTime": 1,
        "lastUpdatedTime": 2,
        "startTime": 3,
        "assetIds": [1, 2],
        "dataSetId": 7,
        "brandNew": {"x": 1},
        "metadata": {"a": "b"},
    }
    ((key, desired, source),) = _decided("events", doc, held={}).creates
    assert key == "replicated:src:5"
    assert source is doc
    assert desired == {
        "externalId": "replicated:src:5",
        "startTime": 3,
        "assetIds": [1001, 1002],
        "dataSetId": 1007,
        "brandNew": {"x": 1},
        "metadata": {"a": "b", "_replicatedSource": "src", "_replicatedInternalId": "5"},
    }
    assert doc["metadata"] == {"a": "b"}
    assert doc["assetIds"] == [1, 2]


def test_a_copy_of_a_copy_says_only_the_last_step() -> None:
    inherited = {
        "_replicatedSource": "first",
        "_replicatedTime": "1",
        "_replicatedInternalId": "9",
        "_replicatedUnlinked": "true",
        "_replicatedOriginalParentId": "3",
        "kept": "yes",
    }
    ((_, desired, _),) = _decided("events", {"id": 5, "externalId": "e", "metadata": inherited}, held={}).creates
    assert desired["metadata"] == {"kept": "yes", "_replicatedSource": "src", "_replicatedInternalId": "5"}


@pytest.mark.parametrize("metadata", [None, {}, {"a": "b"}, {"ø": "ü" * 10}])
def test_the_same_again_is_unchanged(metadata: Doc | None) -> None:
    doc = {"id": 5, "externalId": "e", "type": "t", **({} if metadata is None else {"metadata": metadata})}
    tally = Tally()
    verdicts = _decided("events", doc, held={"e": _copy_of("events", doc)}, tally=tally)
    assert (tally.unchanged, verdicts.updates, verdicts.creates) == (1, [], [])


def test_a_cleared_metadata_is_cleared() -> None:
    doc: Doc = {"id": 5, "externalId": "e"}
    held = _copy_of("events", {**doc, "metadata": {"a": "b"}})
    ((body, _),) = _decided("events", doc, held={"e": held}).updates
    stamped = {"_replicatedSource": "src", "_replicatedInternalId": "5", "_replicatedTime": NOW}
    assert body == {"id": 77, "update": {"metadata": {"set": stamped}}}


def test_an_update_says_when() -> None:
    doc = {"id": 5, "externalId": "e", "type": "t", "metadata": {"a": "b"}}
    ((body, _),) = _decided("events", {**doc, "type": "u"}, held={"e": _copy_of("events", doc)}).updates
    stamped = {"a": "b", "_replicatedSource": "src", "_replicatedInternalId": "5", "_replicatedTime": NOW}
    assert body == {"id": 77, "update": {"type": {"set": "u"}, "metadata": {"set": stamped}}}


def test_a_reference_that_cannot_be_mapped_is_left_out_counted_and_marked() -> None:
    tally = Tally()
    docs: list[Doc] = [
        {"id": 1, "assetIds": [1, 100]},
        {"id": 2, "assetIds": [100]},
        {"id": 3, "dataSetId": 100},
        {"id": 4},
    ]
    mapped = _mapped("events", *docs, tally=tally)
    assert [item[1].get("assetIds") for item in mapped] == [[1001], [], None, None]
    assert "dataSetId" not in mapped[2][1]
    assert ["_replicatedUnlinked" in item[1].get("metadata", {}) for item in mapped] == [True, True, True, False]
    assert tally.unlinked == 3


def test_skip_unlinkable_leaves_out_only_what_has_no_asset_at_all() -> None:
    tally = Tally()
    docs: list[Doc] = [
        {"id": 1, "assetIds": [1, 100]},
        {"id": 2, "assetIds": [100]},
        {"id": 3, "dataSetId": 100},
        {"id": 4},
    ]
    mapped = _mapped("events", *docs, tally=tally, skip_unlinkable=True)
    assert [item[2]["id"] for item in mapped] == [1, 3, 4]
    assert tally.skipped == {"unlinkable": 1}
    assert tally.unlinked == 2


@pytest.mark.parametrize(
    "metadata",
    [
        {f"k{n}": "" for n in range(253)},
        {"k": "x" * 10_238},
        {"k": "ü" * 5_110},
    ],
)
def test_where_there_is_no_room_a_copy_has_no_provenance(metadata: Doc) -> None:
    tally = Tally()
    doc = {"id": 5, "externalId": "a", "name": "n", "metadata": metadata}
    ((_, desired, _),) = _decided("assets", doc, held={}, tally=tally).creates
    assert desired["metadata"] == metadata
    assert tally.without_provenance == 1
    again = Tally()
    verdicts = _decided("assets", doc, held={"a": {**desired, "id": 8}}, tally=again, on_conflict="fail")
    assert (again.unchanged, again.letters, verdicts.updates) == (1, [], [])


@pytest.mark.parametrize("metadata", [{f"k{n}": "" for n in range(252)}, {"k": "x" * 10_000}, {"k": "ü" * 5_000}])
def test_provenance_never_makes_metadata_too_big(metadata: Doc) -> None:
    ((_, desired, _),) = _decided("assets", {"id": 2**53 - 1, "name": "n", "metadata": metadata}, held={}).creates
    full = {**desired["metadata"], "_replicatedTime": "1" * 13, "_replicatedUnlinked": "true"}
    assert "_replicatedSource" in full
    assert len(full) <= 256
    assert sum(len(key.encode()) + len(value.encode()) for key, value in full.items()) <= 10_240


@pytest.mark.parametrize("origin", [None, "other"])
def test_somebody_elses_object_is_adopted_skipped_or_an_error(origin: str | None) -> None:
    doc = {"id": 5, "externalId": "e", "type": "t"}
    metadata = {"theirs": "1"} if origin is None else {"_replicatedSource": origin, "_replicatedInternalId": "1"}

    def run(on_conflict: OnConflict) -> tuple[Verdicts, Tally]:
        held = {"id": 77, "externalId": "e", "type": "theirs", "metadata": dict(metadata)}
        tally = Tally()
        return _decided("events", doc, held={"e": held}, tally=tally, on_conflict=on_conflict), tally

    adopted, _ = run("adopt")
    assert adopted.updates[0][0]["update"]["type"] == {"set": "t"}
    assert adopted.updates[0][0]["update"]["metadata"]["set"]["_replicatedSource"] == "src"
    skipped, tally = run("skip")
    assert (skipped.updates, tally.skipped, tally.letters) == ([], {"conflict": 1}, [])
    failed, tally = run("fail")
    assert failed.updates == []
    assert tally.letters[0][0] == "e"
    assert tally.letters[0][1] is doc


def test_an_equal_copy_of_another_source_is_not_ours() -> None:
    """Same content, same number, but the number is that of another project's object."""
    doc = {"id": 5, "externalId": "e", "type": "t"}
    held = _copy_of("events", doc)
    held["metadata"]["_replicatedSource"] = "other"
    tally = Tally()
    _decided("events", doc, held={"e": held}, tally=tally, on_conflict="skip")
    assert (tally.unchanged, tally.skipped) == (0, {"conflict": 1})


def test_totals_survive_as_json_with_more_failures_than_names() -> None:
    tally = Tally(read=30, created=5, skipped={"x": 2})
    for n in range(23):
        tally.fail(f"k{n}", {}, "no good")
    totals = Totals()
    totals.add(tally)
    report = Report("events", "s", "t", "full")
    Totals.from_dict(json.loads(json.dumps(totals.as_dict()))).add_to(report)
    assert (report.read, report.created, report.skipped, report.failed) == (30, 5, {"x": 2}, 23)
    assert report.dead_letters == [f"k{n}: no good" for n in range(20)]


def test_a_field_that_cannot_be_updated_is_explained() -> None:
    doc = {"id": 5, "externalId": "s", "isString": False, "isStep": False}
    tally = Tally()
    _decided("time_series", {**doc, "isString": True}, held={"s": _copy_of("time_series", doc)}, tally=tally)
    assert "isString differs and CDF cannot change it" in tally.letters[0][2]


def test_names_are_asked_once_for_pages_that_come_together() -> None:
    asked: list[list[int]] = []

    async def look_up(ids: list[int]) -> dict[int, int]:
        asked.append(ids)
        await asyncio.sleep(0)
        return {number: -number for number in ids if number % 2}

    async def run() -> None:
        names = Names(look_up)
        pages = [range(n, n + 10) for n in range(0, 50, 5)]
        found = await asyncio.gather(*(names.resolve(page) for page in pages))
        for page, answer in zip(pages, found, strict=True):
            assert answer == {number: -number for number in page if number % 2}
        flat = [number for ids in asked for number in ids]
        assert sorted(flat) == sorted(set(flat))
        assert len(asked) == 2
        await names.resolve(range(55))
        assert len(asked) == 2

    asyncio.run(run())


def test_names_forget_what_nobody_asks_for() -> None:
    asked = 0

    async def look_up(ids: list[int]) -> dict[int, int]:
        nonlocal asked
        asked += len(ids)
        return {number: number for number in ids}

    async def run() -> None:
        names = Names(look_up, remembered=20)
        for n in range(0, 1000, 5):
            await names.resolve([1, *range(n + 10, n + 15)])
        assert len(names._young) + len(names._old) <= 40
        assert asked == 1001  # the one that is asked for all the time stays

    asyncio.run(run())
