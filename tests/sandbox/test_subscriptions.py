# SPDX-License-Identifier: Apache-2.0
"""`/timeseries/subscriptions` as clients meet it: definitions, members, filters, limits."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_replicator.sandbox.cdf import subscriptions_registry as registry
from airflow_provider_replicator.sandbox.cdf.auth import needed
from airflow_provider_replicator.sandbox.cdf.nodes import create_nodes
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.subscribing import PATH, build, read, subscribe


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    return build(cdf)


# -- definitions -----------------------------------------------------------------------------------------------------------


def test_a_subscription_says_what_it_is(cdf: Caller) -> None:
    data_set = cdf.create("/datasets", {"name": "d"})[0]["id"]
    made = subscribe(cdf, "x", partitions=3, timeSeriesIds=["a", "b"], name="X", description="both", dataSetId=data_set)
    assert cdf.status == 201
    created = made.pop("createdTime")
    assert made.pop("lastUpdatedTime") == created
    expected = {"externalId": "x", "partitionCount": 3, "timeSeriesCount": 2, "name": "X", "description": "both"}
    assert made == {**expected, "dataSetId": data_set}
    assert cdf.items(f"{PATH}/byids", {"items": [{"externalId": "x"}]}) == [
        {**made, "createdTime": created, "lastUpdatedTime": created}
    ]


def test_lists_come_in_pages(cdf: Caller) -> None:
    for n in range(4):
        subscribe(cdf, f"x{n}", timeSeriesIds=["b"])
    first = cdf.get(f"{PATH}?limit=3")
    assert [one["externalId"] for one in first["items"]] == ["sub", "x0", "x1"]
    cdf.post(f"{PATH}/delete", {"items": [{"externalId": "x1"}]})
    second = cdf.get(f"{PATH}?limit=3&cursor={first['nextCursor']}")
    assert [one["externalId"] for one in second["items"]] == ["x2", "x3"]
    assert "nextCursor" not in second


def test_pages_of_lists_may_be_shorter_than_asked_for(cdf: Caller) -> None:
    cdf.server.settings.short_pages = 1
    first = cdf.get(f"{PATH}/members?externalId=sub&limit=50")
    second = cdf.get(f"{PATH}/members?externalId=sub&limit=50&cursor={first['nextCursor']}")
    assert [one["externalId"] for one in first["items"] + second["items"]] == ["a", "s"]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "", "write"),
        ("GET", "", "read"),
        ("GET", "/members", "read"),
        ("POST", "/byids", "read"),
        ("POST", "/data/list", "read"),
        ("POST", "/update", "write"),
        ("POST", "/delete", "write"),
    ],
)
def test_subscriptions_have_a_capability_of_their_own(method: str, path: str, action: str) -> None:
    assert needed(method, PATH + path) == ("timeSeriesSubscriptions", action)


def test_members_are_listed_under_the_names_they_were_given(cdf: Caller) -> None:
    node = {"space": "sp", "externalId": "n"}
    create_nodes(cdf.server.projects["source"], "timeseries", [{"instanceId": node}])
    subscribe(cdf, "x", timeSeriesIds=["a", "b"], instanceIds=[node])
    ids = {one.get("externalId"): one["id"] for one in cdf.all("/timeseries")}
    first = cdf.get(f"{PATH}/members?externalId=x&limit=2")
    assert first["items"] == [{"externalId": "a", "id": ids["a"]}, {"externalId": "b", "id": ids["b"]}]
    second = cdf.get(f"{PATH}/members?externalId=x&limit=2&cursor={first['nextCursor']}")
    assert second == {"items": [{"instanceId": node, "id": ids[None]}]}


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (400, {"partitionCount": 0}),
        (400, {"partitionCount": 101}),
        (400, {"timeSeriesIds": []}),
        (400, {"timeSeriesIds": ["a"] * 101}),
        (400, {"timeSeriesIds": ["a"], "filter": {"exists": {"property": ["name"]}}}),
        (400, {"timeSeriesIds": None}),
        (400, {"dataSetId": 1}),
        (400, {"timeSeriesIds": None, "filter": {"search": {"property": ["name"], "value": "a"}}}),
        (400, {"timeSeriesIds": None, "filter": {"not": {"search": {"property": ["name"], "value": "a"}}}}),
        (400, {"timeSeriesIds": None, "filter": {"equals": {"property": ["nothing"], "value": "a"}}}),
        (409, {"externalId": "sub"}),
    ],
)
def test_what_the_service_refuses(cdf: Caller, status: int, wrong: dict[str, Any]) -> None:
    with pytest.raises(AnswerError) as refused:
        cdf.create(PATH, {"externalId": "x", "partitionCount": 1, "timeSeriesIds": ["a"], **wrong})
    assert refused.value.status == status
    assert [one["externalId"] for one in cdf.get(PATH)["items"]] == ["sub"]


def test_unknown_ones_are_missing(cdf: Caller) -> None:
    with pytest.raises(AnswerError) as refused:
        subscribe(cdf, "x", timeSeriesIds=["a", "nobody"])
    assert refused.value.error["missing"] == [{"externalId": "nobody"}]
    unknown = {"items": [{"externalId": "nobody"}]}
    for path in (f"{PATH}/byids", f"{PATH}/delete"):
        with pytest.raises(AnswerError) as refused:
            cdf.post(path, unknown)
        assert (refused.value.status, refused.value.error["missing"]) == (400, [{"externalId": "nobody"}])
        cdf.post(path, {**unknown, "ignoreUnknownIds": True})
    with pytest.raises(AnswerError) as refused:
        read(cdf, "nobody")
    assert refused.value.error["missing"] == [{"externalId": "nobody"}]


def test_limits_of_the_service(cdf: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_PER_SERIES", 2)
    monkeypatch.setattr(registry, "MAX_MEMBERS", 2)
    subscribe(cdf, "x", timeSeriesIds=["a"])
    with pytest.raises(AnswerError, match="part of 2 subscriptions already"):
        subscribe(cdf, "y", timeSeriesIds=["a"])
    cdf.update(PATH, {"externalId": "x"}, {"timeSeriesIds": {"add": ["b"]}})
    with pytest.raises(AnswerError, match="at most 2 time series"):
        cdf.update(PATH, {"externalId": "x"}, {"timeSeriesIds": {"add": ["c"]}})
    monkeypatch.setattr(registry, "MAX_SUBSCRIPTIONS", 2)
    with pytest.raises(AnswerError, match="at most 2 subscriptions"):
        subscribe(cdf, "y", timeSeriesIds=["c"])


def test_updates(cdf: Caller) -> None:
    subscribe(cdf, "x", timeSeriesIds=["a"], description="old")
    new = cdf.update(
        PATH,
        {"externalId": "x"},
        {"name": {"set": "X"}, "description": {"setNull": True}, "timeSeriesIds": {"add": ["b", "c"], "remove": ["a"]}},
    )
    assert (new["name"], new["timeSeriesCount"], "description" in new) == ("X", 2, False)
    assert new["lastUpdatedTime"] > new["createdTime"]
    cdf.update(PATH, {"externalId": "x"}, {"timeSeriesIds": {"set": ["c", "a"]}})
    members = cdf.get(f"{PATH}/members?externalId=x")["items"]
    assert [one["externalId"] for one in members] == ["c", "a"]
    for wrong in (
        {"filter": {"set": {"exists": {"property": ["name"]}}}},
        {"timeSeriesIds": {"set": ["a"]}, "instanceIds": {"add": [{"space": "s", "externalId": "n"}]}},
        {"timeSeriesIds": {"set": ["a"], "add": ["b"]}},
        {"timeSeriesIds": {"add": ["nobody"]}},
    ):
        with pytest.raises(AnswerError):
            cdf.update(PATH, {"externalId": "x"}, wrong)
    assert cdf.get(f"{PATH}/members?externalId=x")["items"] == members
