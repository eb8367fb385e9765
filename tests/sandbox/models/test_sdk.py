# SPDX-License-Identifier: Apache-2.0
"""The vendor's own client over a socket: what it writes it reads back, and what it expects of errors it gets."""

from __future__ import annotations

from typing import Any

import pytest
from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import Token
from cognite.client.data_classes.data_modeling import (
    ContainerApply,
    ContainerId,
    ContainerPropertyApply,
    DataModelApply,
    DirectRelation,
    DirectRelationReference,
    EdgeApply,
    Float64,
    InstanceSort,
    Int64,
    MappedPropertyApply,
    MultiEdgeConnectionApply,
    MultiReverseDirectRelationApply,
    NodeApply,
    NodeId,
    NodeOrEdgeData,
    PropertyId,
    SpaceApply,
    Text,
    View,
    ViewApply,
    ViewId,
)
from cognite.client.data_classes.data_modeling.cdm.v1 import CogniteTimeSeriesApply
from cognite.client.data_classes.data_modeling.containers import BTreeIndexApply, UniquenessConstraintApply
from cognite.client.data_classes.data_modeling.data_types import Enum, EnumValue, UnitReference
from cognite.client.data_classes.filters import And, Equals, HasData, Range
from cognite.client.exceptions import CogniteAPIError

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox

SPACE = "by_client"
PUMP = ContainerId(SPACE, "Pump")
VIEW = ViewId(SPACE, "Pump", "v1")


@pytest.fixture(scope="module")
def client(_running: RunningSandbox) -> CogniteClient:
    global_config.disable_pypi_version_check = True
    config = ClientConfig("tests", "source", Token(_running.token), base_url=_running.base_url)
    client = CogniteClient(config)
    client.data_modeling.spaces.apply(SpaceApply(SPACE, name="Written by the client"))
    client.data_modeling.containers.apply(container())
    client.data_modeling.views.apply(view())
    return client


def container() -> ContainerApply:
    return ContainerApply(
        space=SPACE,
        external_id="Pump",
        used_for="node",
        properties={
            "name": ContainerPropertyApply(type=Text(max_text_size=50), nullable=False, name="Name"),
            "tags": ContainerPropertyApply(type=Text(is_list=True, max_list_size=5)),
            "power": ContainerPropertyApply(type=Float64(unit=UnitReference("pressure:bar")), default_value=1.5),
            "number": ContainerPropertyApply(type=Int64(), immutable=True),
            "state": ContainerPropertyApply(
                type=Enum({"on": EnumValue("On"), "off": EnumValue()}, unknown_value="off")
            ),
            "parent": ContainerPropertyApply(type=DirectRelation()),
        },
        indexes={"byName": BTreeIndexApply(["name"], cursorable=True)},
        constraints={"number": UniquenessConstraintApply(["number"])},
    )


def view() -> ViewApply:
    names = ("name", "tags", "power", "number", "state")
    return ViewApply(
        space=SPACE,
        external_id="Pump",
        version="v1",
        filter=HasData(containers=[PUMP]),
        properties={
            **{name: MappedPropertyApply(PUMP, name) for name in names},
            "parent": MappedPropertyApply(PUMP, "parent", source=VIEW),
            "flows": MultiEdgeConnectionApply(type=DirectRelationReference(SPACE, "flows"), source=VIEW),
            "children": MultiReverseDirectRelationApply(source=VIEW, through=PropertyId(VIEW, "parent")),
        },
    )


def pump(name: str, **properties: Any) -> NodeApply:
    return NodeApply(SPACE, name, sources=[NodeOrEdgeData(VIEW, {"name": name, **properties})])


def test_definitions_come_back_as_they_were_written(client: CogniteClient) -> None:
    found = client.data_modeling.containers.retrieve(PUMP)
    assert found is not None
    assert found.as_apply().dump() == container().dump()
    (shown,) = client.data_modeling.views.retrieve(VIEW)
    assert shown.as_apply().dump() == view().dump()
    model = DataModelApply(SPACE, "Plant", "1", views=[VIEW])
    made = client.data_modeling.data_models.apply(model)
    assert made.as_apply().dump() == model.dump()
    inline = client.data_modeling.data_models.retrieve((SPACE, "Plant"), inline_views=True).latest_version()
    assert [type(one) for one in inline.views] == [View]


def test_nodes_and_edges_come_back_as_they_were_written(client: CogniteClient) -> None:
    instances = client.data_modeling.instances
    nodes = [
        pump("a", tags=["x", "y"], number=(1 << 63) - 1),
        pump("b", parent={"space": SPACE, "externalId": "a"}, state="on"),
    ]
    edge = EdgeApply(SPACE, "a-b", type=(SPACE, "flows"), start_node=(SPACE, "a"), end_node=(SPACE, "b"))
    written = instances.apply(nodes, edge)
    assert [one.was_modified for one in (*written.nodes, *written.edges)] == [True] * 3
    assert [one.was_modified for one in instances.apply(nodes, edge).nodes] == [False] * 2

    found = instances.retrieve([NodeId(SPACE, "a"), NodeId(SPACE, "gone")], sources=VIEW, include_typing=True)
    assert found.nodes[0].properties[VIEW] == {"name": "a", "tags": ["x", "y"], "power": 1.5, "number": (1 << 63) - 1}
    assert found.nodes.typing is not None
    wanted = And(HasData(views=[VIEW]), Range(VIEW.as_property_ref("power"), gte=1))
    listed = instances.list(
        sources=VIEW, filter=wanted, sort=InstanceSort(VIEW.as_property_ref("name"), direction="descending"), limit=None
    )
    assert [one.external_id for one in listed] == ["b", "a"]
    edges = instances.list("edge", filter=Equals(["edge", "startNode"], {"space": SPACE, "externalId": "a"}))
    assert [one.external_id for one in edges] == ["a-b"]
    assert instances.delete([NodeId(SPACE, "a"), NodeId(SPACE, "gone")]).nodes == [NodeId(SPACE, "a")]
    assert instances.retrieve(edges=(SPACE, "a-b")).edges == []


def test_errors_are_as_the_client_expects_them(client: CogniteClient) -> None:
    with pytest.raises(CogniteAPIError, match="One or more spaces do not exist") as caught:
        client.data_modeling.instances.apply(NodeApply("nowhere", "n"))
    assert caught.value.code == 400
    client.data_modeling.instances.apply(pump("conflict"))
    client.data_modeling.instances.apply(pump("conflict", power=2.0))
    stale = NodeApply(SPACE, "conflict", existing_version=1)
    with pytest.raises(CogniteAPIError, match="version conflict") as caught:
        client.data_modeling.instances.apply(stale)
    assert caught.value.code == 409
    (skipped,) = client.data_modeling.instances.apply(stale, skip_on_version_conflict=True).nodes
    assert (skipped.was_modified, skipped.version) == (False, 2)


def test_points_of_a_node(client: CogniteClient) -> None:
    client.data_modeling.instances.apply(
        CogniteTimeSeriesApply(SPACE, "series", is_step=False, time_series_type="numeric", name="S")
    )
    node = NodeId(SPACE, "series")
    client.time_series.data.insert([(1000, 1.0), (2000, 2.0)], instance_id=node)
    points = client.time_series.data.retrieve(instance_id=node, start=0, end=3000)
    assert points is not None
    assert points.value == [1.0, 2.0]
    client.data_modeling.instances.delete(node)
    assert client.time_series.retrieve(instance_id=node) is None


def test_statistics(client: CogniteClient) -> None:
    statistics = client.data_modeling.statistics.project()
    assert (statistics.concurrent_read_limit, statistics.concurrent_write_limit) == (8, 4)
    of_space = client.data_modeling.statistics.spaces.retrieve(SPACE)
    assert of_space is not None
    assert of_space.containers == 1
