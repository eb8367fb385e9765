# SPDX-License-Identifier: Apache-2.0
"""Updating and deleting: patches, refusals, and that a refused request changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.caller import AnswerError, Caller, names
from tests.sandbox.conftest import NOW
from tests.sandbox.test_classic_create import GOOD, RELATION

KEY = {"externalId": "x"}


def test_set_and_set_null(cdf: Caller) -> None:
    (before,) = cdf.create("/events", {**KEY, "type": "t", "startTime": 1, "description": "d"})
    after = cdf.update("/events", KEY, {"type": {"set": "u"}, "description": {"setNull": True}, "source": {"set": "s"}})
    assert after == {
        "externalId": "x",
        "type": "u",
        "startTime": 1,
        "source": "s",
        "id": before["id"],
        "createdTime": NOW,
        "lastUpdatedTime": NOW + 1,
    }
    assert cdf.all("/events") == [after]


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"set": {"c": 3}}, {"c": "3"}),
        ({"set": {}}, {}),
        ({"add": {"a": "9", "c": "3"}}, {"a": "9", "b": "2", "c": "3"}),
        ({"remove": ["a", "none"]}, {"b": "2"}),
        ({"add": {"c": "3"}, "remove": ["a", "c"]}, {"b": "2", "c": "3"}),
    ],
)
def test_metadata_patches(cdf: Caller, patch: dict[str, Any], expected: dict[str, str]) -> None:
    cdf.create("/assets", {**KEY, "name": "n", "metadata": {"a": "1", "b": "2"}})
    assert cdf.update("/assets", KEY, {"metadata": patch})["metadata"] == expected


def test_list_patches(cdf: Caller) -> None:
    a, b, c = (asset["id"] for asset in cdf.create("/assets", *({"name": name} for name in "abc")))
    cdf.create("/events", {**KEY, "assetIds": [a, b]})
    assert cdf.update("/events", KEY, {"assetIds": {"add": [b, c], "remove": [a]}})["assetIds"] == [b, c]
    assert cdf.update("/events", KEY, {"assetIds": {"set": [a]}})["assetIds"] == [a]
    assert cdf.update("/events", KEY, {"assetIds": {"set": []}})["assetIds"] == []
    with pytest.raises(AnswerError) as caught:
        cdf.update("/events", KEY, {"assetIds": {"add": [7]}})
    assert caught.value.error["missing"] == [{"id": 7}]


def test_labels_are_patched_by_external_id_and_leave_no_empty_list(cdf: Caller) -> None:
    red, hot = {"externalId": "red"}, {"externalId": "hot"}
    cdf.create("/labels", {**red, "name": "r"}, {**hot, "name": "h"})
    cdf.create("/assets", {**KEY, "name": "n"})
    assert cdf.update("/assets", KEY, {"labels": {"add": [red, hot]}})["labels"] == [red, hot]
    assert cdf.update("/assets", KEY, {"labels": {"remove": [red]}})["labels"] == [hot]
    assert "labels" not in cdf.update("/assets", KEY, {"labels": {"set": []}})
    assert "labels" not in cdf.create("/assets", {"name": "m", "labels": []})[0]


@pytest.mark.parametrize(
    ("path", "update"),
    [
        ("/assets", {"name": {"setNull": True}}),
        ("/assets", {"name": {"set": None}}),
        ("/assets", {"name": "bare"}),
        ("/assets", {"description": {}}),
        ("/assets", {"description": {"set": "a", "setNull": True}}),
        ("/assets", {"metadata": {"set": {}, "add": {}}}),
        ("/assets", {"metadata": {"remove": "a"}}),
        ("/assets", {"metadata": {"add": {"k": "v" * 10_240}}}),
        ("/assets", {"parentId": {"setNull": True}}),
        ("/events", {"dataSetId": {"set": [None]}}),
        ("/events", {"startTime": {"set": 2}, "endTime": {"set": 1}}),
        ("/timeseries", {"isString": {"set": True}}),
        ("/sequences", {"columns": {"remove": [{"externalId": "none"}]}}),
        ("/sequences", {"columns": {"remove": [{"externalId": "c"}]}}),
        ("/sequences", {"columns": {"add": [{"externalId": "c"}]}}),
        ("/sequences", {"columns": {"modify": [{"externalId": "c", "update": {"valueType": {"set": "LONG"}}}]}}),
        ("/relationships", {"externalId": {"set": "y"}}),
        ("/relationships", {"sourceType": {"set": "pump"}}),
        ("/datasets", {"writeProtected": {"setNull": True}}),
    ],
)
def test_patches_that_are_refused(cdf: Caller, path: str, update: dict[str, Any]) -> None:
    (before,) = cdf.create(path, {**GOOD[path], **KEY})
    with pytest.raises(AnswerError) as caught:
        cdf.update(path, KEY, update)
    assert caught.value.status == 400
    assert cdf.items(f"{path}/byids", {"items": [KEY]}) == [before]


def test_one_bad_item_and_nothing_is_changed(cdf: Caller) -> None:
    before = cdf.create("/events", {"externalId": "a"}, {"externalId": "b"})
    good = {"externalId": "a", "update": {"type": {"set": "t"}}}
    for bad in (
        {"externalId": "none", "update": {}},
        {"externalId": "b", "update": {"type": {"set": 5}}},
        {"externalId": "b"},
    ):
        with pytest.raises(AnswerError):
            cdf.post("/events/update", {"items": [good, bad]})
        assert cdf.all("/events") == before


def test_unknown_and_repeated_items(cdf: Caller) -> None:
    (made,) = cdf.create("/timeseries", KEY)
    with pytest.raises(AnswerError) as caught:
        cdf.post("/timeseries/update", {"items": [{"id": 5, "update": {}}, {"externalId": "y", "update": {}}]})
    assert caught.value.status == 400
    assert caught.value.error["missing"] == [{"id": 5}, {"externalId": "y"}]
    with pytest.raises(AnswerError) as caught:
        cdf.post("/timeseries/update", {"items": [{**KEY, "update": {}}, {"id": made["id"], "update": {}}]})
    assert caught.value.status == 422


def test_external_ids_change_swap_and_collide(cdf: Caller) -> None:
    a, b = cdf.create("/events", {"externalId": "a", "type": "A"}, {"externalId": "b", "type": "B"})
    swap = [
        {"id": a["id"], "update": {"externalId": {"set": "b"}}},
        {"id": b["id"], "update": {"externalId": {"set": "a"}}},
    ]
    cdf.post("/events/update", {"items": swap})
    found = cdf.items("/events/byids", {"items": [{"externalId": "a"}, {"externalId": "b"}]})
    assert [event["type"] for event in found] == ["B", "A"]
    with pytest.raises(AnswerError) as caught:
        cdf.update("/events", {"id": a["id"]}, {"externalId": {"set": "a"}})
    assert caught.value.status == 409
    assert caught.value.error["duplicated"] == [{"externalId": "a"}]
    cdf.update("/events", {"id": b["id"]}, {"externalId": {"setNull": True}})
    assert cdf.update("/events", {"id": a["id"]}, {"externalId": {"set": "a"}})["externalId"] == "a"


def test_an_old_reference_may_dangle_while_something_else_changes(cdf: Caller) -> None:
    (asset,) = cdf.create("/assets", {"name": "a"})
    cdf.create("/timeseries", {**KEY, "assetId": asset["id"]})
    cdf.post("/assets/delete", {"items": [{"id": asset["id"]}]})
    assert cdf.update("/timeseries", KEY, {"unit": {"set": "m"}})["assetId"] == asset["id"]


def test_columns_of_sequences(cdf: Caller) -> None:
    cdf.create("/sequences", {**KEY, "columns": [{"externalId": "a", "valueType": "LONG"}, {"externalId": "b"}]})
    changes = {
        "modify": [{"externalId": "a", "update": {"externalId": {"set": "z"}, "name": {"set": "Z"}}}],
        "remove": [{"externalId": "b"}],
        "add": [{"externalId": "c", "valueType": "STRING"}],
    }
    after = cdf.update("/sequences", KEY, {"columns": changes})
    assert [(c["externalId"], c["valueType"], c.get("name")) for c in after["columns"]] == [
        ("z", "LONG", "Z"),
        ("c", "STRING", None),
    ]
    assert all(column["createdTime"] == NOW for column in after["columns"])


@pytest.mark.parametrize("path", [path for path in GOOD if path != "/datasets"])
def test_deleting(cdf: Caller, path: str) -> None:
    cdf.create(path, {**GOOD[path], "externalId": "a"}, {**GOOD[path], "externalId": "b"})
    with pytest.raises(AnswerError) as caught:
        cdf.post(f"{path}/delete", {"items": [{"externalId": "a"}, {"externalId": "none"}]})
    assert caught.value.status == 400
    assert caught.value.error["missing"] == [{"externalId": "none"}]
    assert len(cdf.all(path)) == 2
    assert cdf.post(f"{path}/delete", {"items": [{"externalId": "a"}]}) == {}
    assert cdf.status == (202 if path == "/relationships" else 200)
    assert names(cdf.all(path)) == ["b"]
    cdf.create(path, {**GOOD[path], "externalId": "a"})
    cdf.post(f"{path}/delete", {"items": [{"externalId": "a"}, {"externalId": "none"}], "ignoreUnknownIds": True})
    assert names(cdf.all(path)) == ["b"]


@pytest.mark.parametrize("call", ["/datasets/delete", "/labels/update"])
def test_what_the_service_does_not_have(cdf: Caller, call: str) -> None:
    with pytest.raises(AnswerError) as caught:
        cdf.post(call, {"items": [KEY]})
    assert caught.value.status == 404


def test_resources_at_both_ends_of_relationships(cdf: Caller) -> None:
    (asset,) = cdf.create("/assets", {"name": "n", "externalId": "a"})
    (made,) = cdf.create("/relationships", {**RELATION, **KEY})
    assert cdf.all("/relationships") == [made]
    assert cdf.all("/relationships", fetchResources=True) == [{**made, "source": asset}]
    found = cdf.items("/relationships/byids", {"items": [KEY], "fetchResources": True})
    assert found == [{**made, "source": asset}]
    for wanted in ({"externalId": "b"}, {"type": "asset"}, {"type": "event", "externalId": "b"}):
        assert cdf.all("/relationships", filter={"sourcesOrTargets": [wanted]}) == [made]
    assert cdf.all("/relationships", filter={"sourcesOrTargets": [{"type": "asset", "externalId": "b"}]}) == []


def test_documents_of_nodes_are_addressed_by_instance_and_not_deleted(cdf: Caller) -> None:
    from airflow_provider_replicator.sandbox.cdf.nodes import create_nodes

    key = {"instanceId": {"space": "s", "externalId": "n"}}
    (made,) = create_nodes(cdf.server.projects["source"], "timeseries", [{**key, "name": "from a node"}])
    assert cdf.items("/timeseries/byids", {"items": [key]}) == [made]
    assert cdf.update("/timeseries", key, {"metadata": {"add": {"a": "b"}}})["metadata"] == {"a": "b"}
    with pytest.raises(AnswerError, match="node"):
        cdf.update("/timeseries", key, {"name": {"set": "other"}})
    with pytest.raises(AnswerError, match="node"):
        cdf.post("/timeseries/delete", {"items": [key]})
    (classic,) = cdf.create("/timeseries", {**KEY, **key})
    assert "instanceId" not in classic
