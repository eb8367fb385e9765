# SPDX-License-Identifier: Apache-2.0
"""Creating: what is accepted, what is refused, and that a refused request leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from tests.sandbox.caller import AnswerError, Caller, names
from tests.sandbox.conftest import NOW

COLUMNS = [{"externalId": "c", "valueType": "STRING"}]
RELATION = {"sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "event"}
#: path -> a good item, which needs no other resource
GOOD: dict[str, dict[str, Any]] = {
    "/assets": {"name": "pump"},
    "/events": {},
    "/timeseries": {},
    "/sequences": {"columns": COLUMNS},
    "/relationships": RELATION,
    "/labels": {"name": "red"},
    "/datasets": {},
}
STATUS = {"/datasets": 200}
INSIDE_REQUEST = {"/timeseries": 422}


@pytest.mark.parametrize("path", GOOD)
def test_created_objects_carry_what_the_server_adds(cdf: Caller, path: str) -> None:
    (made,) = cdf.create(path, {**GOOD[path], "externalId": "x"})
    assert cdf.status == STATUS.get(path, 201)
    assert made["createdTime"] == NOW
    assert cdf.items(f"{path}/byids", {"items": [{"externalId": "x"}]}) == [made]
    if path not in ("/labels", "/relationships"):
        assert 1 <= made["id"] < 2**53
        assert cdf.items(f"{path}/byids", {"items": [{"id": made["id"]}]}) == [made]


@pytest.mark.parametrize("path", GOOD)
def test_an_external_id_that_exists_is_409_and_nothing_is_stored(cdf: Caller, path: str) -> None:
    cdf.create(path, {**GOOD[path], "externalId": "old"})
    with pytest.raises(AnswerError) as caught:
        cdf.create(path, {**GOOD[path], "externalId": "new"}, {**GOOD[path], "externalId": "old"})
    assert caught.value.status == 409
    assert caught.value.error["duplicated"] == [{"externalId": "old"}]
    assert "duplicated" in caught.value.error["message"]
    assert names(cdf.all(path)) == ["old"]


@pytest.mark.parametrize("path", GOOD)
def test_an_external_id_twice_in_a_request(cdf: Caller, path: str) -> None:
    twice = {**GOOD[path], "externalId": "x"}
    with pytest.raises(AnswerError) as caught:
        cdf.create(path, twice, twice)
    assert caught.value.status == INSIDE_REQUEST.get(path, 409)
    assert caught.value.error["duplicated"] == [{"externalId": "x"}]
    assert cdf.all(path) == []


@pytest.mark.parametrize("path", GOOD)
def test_null_is_refused(cdf: Caller, path: str) -> None:
    with pytest.raises(AnswerError, match="`null` values aren't allowed") as caught:
        cdf.create(path, {**GOOD[path], "externalId": None})
    assert caught.value.status == 400


@pytest.mark.parametrize("path", GOOD)
def test_limits_of_items(cdf: Caller, path: str) -> None:
    most = 10 if path == "/datasets" else 1000
    with pytest.raises(AnswerError, match="1 to"):
        cdf.create(path)
    with pytest.raises(AnswerError, match=f"1 to {most}"):
        cdf.create(path, *({**GOOD[path], "externalId": str(n)} for n in range(most + 1)))
    assert len(cdf.create(path, *({**GOOD[path], "externalId": str(n)} for n in range(most)))) == most


def test_unknown_properties_are_dropped(cdf: Caller) -> None:
    (made,) = cdf.create("/timeseries", {"externalId": "t", "legacyName": "old", "id": 7, "createdTime": 1})
    assert "legacyName" not in made
    assert made["id"] != 7
    assert made["createdTime"] == NOW


@pytest.mark.parametrize(
    ("path", "item", "message"),
    [
        ("/assets", {}, "name: is required"),
        ("/assets", {"name": ""}, "1 to 140"),
        ("/assets", {"name": "a" * 141}, "1 to 140"),
        ("/assets", {"name": "a", "description": "d" * 501}, "0 to 500"),
        ("/assets", {"name": "a", "source": "d" * 129}, "0 to 128"),
        ("/assets", {"name": "a", "externalId": "d" * 256}, "0 to 255"),
        ("/assets", {"name": 5}, "expected a string"),
        ("/assets", {"name": "a", "metadata": {str(n): "" for n in range(257)}}, "256 keys"),
        ("/assets", {"name": "a", "metadata": {"k" * 129: ""}}, "128 bytes"),
        ("/assets", {"name": "a", "metadata": {"å" * 65: ""}}, "128 bytes"),
        ("/assets", {"name": "a", "metadata": {"k": "v" * 10_240}}, "10240 bytes"),
        ("/assets", {"name": "a", "metadata": {"k": ["v"]}}, "expected a string"),
        ("/assets", {"name": "a", "labels": [{"externalId": str(n)} for n in range(11)]}, "0 to 10"),
        ("/events", {"type": "t" * 65}, "0 to 64"),
        ("/events", {"startTime": -1}, "between 0"),
        ("/events", {"startTime": 1.5}, "expected an integer"),
        ("/events", {"startTime": True}, "expected an integer"),
        ("/events", {"startTime": 2, "endTime": 1}, "must not be before"),
        ("/events", {"metadata": {"k": "v" * 128_001}}, "128000 bytes"),
        ("/events", {"metadata": {"a": "v" * 128_000, "b": "v" * 80_000}}, "200000 bytes"),
        ("/events", {"assetIds": [1, 1]}, "twice"),
        ("/timeseries", {"unit": "u" * 33}, "0 to 32"),
        ("/timeseries", {"isString": "yes"}, "expected a boolean"),
        ("/timeseries", {"metadata": {"k": "v" * 10_000}}, "10000 bytes"),
        ("/sequences", {"columns": []}, "1 to 400"),
        ("/sequences", {"columns": [{"externalId": "a"}, {"externalId": "a"}]}, "unique"),
        ("/sequences", {"columns": [{"externalId": "a", "valueType": "INT"}]}, "one of"),
        ("/sequences", {"columns": [{"valueType": "LONG"}]}, "externalId is missing"),
        ("/relationships", {**RELATION, "externalId": "x", "sourceType": "pump"}, "one of"),
        ("/relationships", {**RELATION, "externalId": "x", "confidence": 1.5}, "between 0 and 1"),
        ("/relationships", RELATION, "externalId: is required"),
        ("/labels", {"externalId": "x"}, "name: is required"),
        ("/datasets", {"name": "n" * 51}, "1 to 50"),
    ],
)
def test_limits_of_properties(cdf: Caller, path: str, item: dict[str, Any], message: str) -> None:
    with pytest.raises(AnswerError, match=message) as caught:
        cdf.create(path, item)
    assert caught.value.status == 400


def test_metadata_numbers_become_text(cdf: Caller) -> None:
    (made,) = cdf.create("/assets", {"name": "a", "metadata": {"i": 5, "f": 1.5, "b": True, "s": "x"}})
    assert made["metadata"] == {"i": "5", "f": "1.5", "b": "true", "s": "x"}
    assert cdf.all("/assets", filter={"metadata": {"i": 5}}) == [made]
    assert cdf.all("/assets", filter={"metadata": {"i": "5"}}) == [made]


@pytest.mark.parametrize(
    ("path", "reference", "missing"),
    [
        ("/assets", {"dataSetId": 7}, {"id": 7}),
        ("/assets", {"labels": [{"externalId": "none"}]}, {"externalId": "none"}),
        ("/events", {"assetIds": [7]}, {"id": 7}),
        ("/timeseries", {"assetId": 7}, {"id": 7}),
        ("/sequences", {"assetId": 7}, {"id": 7}),
        ("/labels", {"dataSetId": 7}, {"id": 7}),
    ],
)
def test_references_must_exist(cdf: Caller, path: str, reference: dict[str, Any], missing: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as caught:
        cdf.create(path, {**GOOD[path], "externalId": "x", **reference})
    assert caught.value.status == 400
    assert caught.value.error["missing"] == [missing]


def test_relationships_may_dangle_and_types_are_spelled_as_the_service_does(cdf: Caller) -> None:
    (made,) = cdf.create("/relationships", {**RELATION, "externalId": "x", "targetType": "timeseries"})
    assert made["targetType"] == "timeSeries"


def test_timestamps_never_repeat_although_the_clock_stands_still(cdf: Caller) -> None:
    made = [cdf.create("/events", {})[0]["lastUpdatedTime"] for _ in range(5)]
    assert made == [NOW, NOW + 1, NOW + 2, NOW + 3, NOW + 4]


def test_projects_know_nothing_of_each_other(server: CdfServer, cdf: Caller) -> None:
    (here,) = cdf.create("/assets", {"name": "a", "externalId": "x"})
    (there,) = Caller(server, "target").create("/assets", {"name": "b", "externalId": "x"})
    assert here["id"] != there["id"]
    assert cdf.all("/assets") == [here]


@pytest.mark.parametrize("body", [[], "text", {"items": {}}, {"items": ["a"]}, {}])
def test_bodies_of_the_wrong_shape(cdf: Caller, body: Any) -> None:
    with pytest.raises(AnswerError) as caught:
        cdf.post("/assets", body)
    assert caught.value.status == 400
