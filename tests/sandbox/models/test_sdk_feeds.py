# SPDX-License-Identifier: Apache-2.0
"""The vendor's own client over a socket: what it asks and follows, and how it reads the answers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import Token
from cognite.client.data_classes import (
    DataPointSubscriptionUpdate,
    DataPointSubscriptionWrite,
    TimeSeriesWrite,
    filters,
)
from cognite.client.data_classes.aggregations import Histogram
from cognite.client.data_classes.data_modeling import (
    ContainerApply,
    ContainerPropertyApply,
    DirectRelation,
    EdgeApply,
    InstanceSort,
    Int64,
    MappedPropertyApply,
    NodeApply,
    NodeOrEdgeData,
    SpaceApply,
    Text,
    ViewApply,
    ViewId,
    aggregations,
)
from cognite.client.data_classes.data_modeling.query import (
    EdgeResultSetExpression,
    EdgeResultSetExpressionSync,
    NodeResultSetExpression,
    NodeResultSetExpressionSync,
    Query,
    QuerySync,
    Select,
    SelectSync,
    SourceSelector,
)
from cognite.client.data_classes.datapoints_subscriptions import DatapointSubscriptionProperty
from cognite.client.exceptions import CogniteAPIError

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

SPACE = "fed"
VIEW = ViewId(SPACE, "Item", "v1")
DAY = 86_400_000


@pytest.fixture(scope="module")
def client(_running: RunningSandbox) -> CogniteClient:
    """Items i0 … i9 below i0, an edge from each to the next."""
    global_config.disable_pypi_version_check = True
    client = CogniteClient(ClientConfig("tests", "target", Token(_running.token), base_url=_running.base_url))
    client.data_modeling.spaces.apply(SpaceApply(SPACE))
    types = {"name": Text(), "size": Int64(), "parent": DirectRelation()}
    container = ContainerApply(
        SPACE,
        "Item",
        used_for="node",
        properties={name: ContainerPropertyApply(type=one) for name, one in types.items()},
    )
    client.data_modeling.containers.apply(container)
    mapped = {name: MappedPropertyApply(container.as_id(), name) for name in types}
    client.data_modeling.views.apply(ViewApply(SPACE, "Item", "v1", properties=dict(mapped)))
    items(client, *range(10))
    edges = [EdgeApply(SPACE, f"e{n}", (SPACE, "next"), (SPACE, f"i{n}"), (SPACE, f"i{n + 1}")) for n in range(9)]
    client.data_modeling.instances.apply(edges=edges)
    return client


def items(client: CogniteClient, *numbers: int) -> None:
    sources = [
        NodeOrEdgeData(VIEW, {"name": f"Item {n}", "size": n, "parent": {"space": SPACE, "externalId": "i0"}})
        for n in numbers
    ]
    nodes = [NodeApply(SPACE, f"i{n}", sources=[one]) for n, one in zip(numbers, sources, strict=True)]
    client.data_modeling.instances.apply(nodes)


def size(**bounds: Any) -> filters.Filter:
    return filters.Range(VIEW.as_property_ref("size"), **bounds)


def test_a_query_over_edges_and_relations(client: CogniteClient) -> None:
    query = Query(
        with_={
            "start": NodeResultSetExpression(filter=size(lt=2), limit=10),
            "steps": EdgeResultSetExpression(from_="start", max_distance=2),
            "ends": NodeResultSetExpression(from_="steps"),
            "parents": NodeResultSetExpression(from_="ends", through=VIEW.as_property_ref("parent")),
        },
        select={
            "start": Select([SourceSelector(VIEW, ["*"])]),
            "steps": Select(),
            "ends": Select(
                [SourceSelector(VIEW, ["size"])], sort=[InstanceSort(VIEW.as_property_ref("size"), "descending")]
            ),
            "parents": Select(),
        },
    )
    result = client.data_modeling.instances.query(query, include_typing=True)
    assert [edge.external_id for edge in result.get_edges("steps")] == ["e0", "e1", "e2"]
    assert [node["size"] for node in result.get_nodes("ends")] == [3, 2, 1]
    assert result["parents"].as_ids() == result["start"].as_ids()[:1]
    assert result["start"][1]["name"] == "Item 1"


def test_a_query_is_read_page_by_page(client: CogniteClient) -> None:
    query = Query(with_={"all": NodeResultSetExpression(filter=size(gte=0), limit=4)}, select={"all": Select()})
    pages = []
    while True:
        result = client.data_modeling.instances.query(query)
        pages.append([node.external_id for node in result["all"]])
        if not result.cursors["all"]:
            break
        query.cursors = result.cursors
    assert pages[:2] == [[f"i{n}" for n in range(4)], [f"i{n}" for n in range(4, 8)]]


@pytest.mark.parametrize("mode", ["one_phase", "two_phase", "no_backfill"])
def test_a_sync_follows_changes_until_its_cursor_expires(
    client: CogniteClient, sandbox: RunningSandbox, mode: Any
) -> None:
    nodes = NodeResultSetExpressionSync(filter=size(gte=0, lt=100), sync_mode=mode, limit=6)
    edges = EdgeResultSetExpressionSync(filter=filters.Equals(["edge", "space"], SPACE), sync_mode=mode)
    query = QuerySync(
        {"nodes": nodes, "edges": edges}, {"nodes": SelectSync([SourceSelector(VIEW, ["*"])]), "edges": SelectSync()}
    )
    seen: dict[str, int] = {}
    short = 0
    while short < 2:
        result = client.data_modeling.instances.sync(query)
        query.cursors = result.cursors
        short = short + 1 if len(result["nodes"]) < 6 else 0
        seen |= {node.external_id: node["size"] for node in result.get_nodes("nodes")}
    expected = {} if mode == "no_backfill" else {f"i{n}": n for n in range(10)}
    assert {name: seen[name] for name in expected} == expected
    items(client, 50)
    client.data_modeling.instances.delete(nodes=(SPACE, "i50"))
    items(client, 51)
    result = client.data_modeling.instances.sync(query)
    query.cursors = result.cursors
    assert [(node.external_id, node.deleted_time is not None) for node in result.get_nodes("nodes")] == [
        ("i50", True),
        ("i51", False),
    ]
    client.data_modeling.instances.delete(nodes=(SPACE, "i51"))
    sandbox.control.advance(4 * DAY)
    with pytest.raises(CogniteAPIError, match=r"Cursor has expired\. Try again with a new cursor\."):
        client.data_modeling.instances.sync(query)


def test_aggregates_histograms_and_searches(client: CogniteClient) -> None:
    instances = client.data_modeling.instances
    few = size(lt=10)
    by_parent = instances.aggregate(
        VIEW, [aggregations.Count("name"), aggregations.Avg("size")], group_by="parent", filter=few
    )
    group: Any = by_parent[0].group
    assert group == {"parent": {"space": SPACE, "externalId": "i0"}}
    assert [one.value for one in by_parent[0].aggregates] == [10, 4.5]
    buckets = instances.histogram(VIEW, Histogram("size", 5), filter=few).buckets
    assert [(bucket.start, bucket.count) for bucket in buckets] == [(0, 5), (5, 5)]
    assert [node.external_id for node in instances.search(VIEW, "item 7", operator="AND")] == ["i7"]


def test_a_subscription_is_followed(client: CogniteClient, sandbox: RunningSandbox) -> None:
    client.time_series.create([TimeSeriesWrite(external_id=f"fed {name}", name=f"fed {name}") for name in "abc"])
    subscriptions = client.time_series.subscriptions
    prefix = filters.Prefix(DatapointSubscriptionProperty.name, "fed")
    subscriptions.create(DataPointSubscriptionWrite("listed", partition_count=1, time_series_ids=["fed a"]))
    subscriptions.create(DataPointSubscriptionWrite("filtered", partition_count=1, filter=prefix))
    subscriptions.update(DataPointSubscriptionUpdate("listed").time_series_ids.add(["fed b"]))
    bad: Any = {"timestamp": 3, "value": math.nan, "status": {"symbol": "Bad"}}
    client.time_series.data.insert([(1, 1.5), (2, 2.5)], external_id="fed a")
    client.time_series.data.insert([bad], external_id="fed b")
    client.time_series.data.delete_range(2, 3, external_id="fed a")
    options: dict[str, Any] = {"poll_timeout": 0, "ignore_bad_datapoints": False, "include_status": True}
    batch = next(subscriptions.iterate_data("listed", **options))
    assert [one.external_id for one in batch.subscription_changes.added] == ["fed a", "fed b"]
    first, second, third = batch.updates
    assert (first.upserts.timestamp, first.upserts.value) == ([1, 2], [1.5, 2.5])
    assert (second.upserts.status_symbol, third.deletes[0].inclusive_begin) == (["Bad"], 2)
    assert len(next(subscriptions.iterate_data("filtered", **options)).subscription_changes.added) == 3
    sandbox.control.advance(8 * DAY)
    with pytest.raises(CogniteAPIError, match="expired"):
        next(subscriptions.iterate_data("listed", cursor=batch.cursor, **options))
