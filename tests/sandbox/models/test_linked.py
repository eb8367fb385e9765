# SPDX-License-Identifier: Apache-2.0
"""Time series and files of nodes: they come, change and go with the node, and hold points and content by its id."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_replicator.sandbox.cdf.http import Request
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.models.modelling import SPACE, apply, key, node, node_ref, properties

SERIES = {"type": "view", "space": "cdf_cdm", "externalId": "CogniteTimeSeries", "version": "v1"}
FILE = {"type": "view", "space": "cdf_cdm", "externalId": "CogniteFile", "version": "v1"}


@pytest.fixture
def core(cdf: Caller) -> Caller:
    cdf.create("/models/spaces", {"space": SPACE})
    return cdf


def of_node(cdf: Caller, resource: str, name: str) -> list[dict[str, Any]]:
    wanted = {"items": [{"instanceId": node_ref(name)}], "ignoreUnknownIds": True}
    return cdf.items(f"/{resource}/byids", wanted)


def test_a_node_is_a_time_series(core: Caller) -> None:
    unit = {"space": "cdf_cdm_units", "externalId": "pressure:bar"}
    apply(
        core, node("n", (SERIES, {"type": "numeric", "isStep": True, "name": "N", "unit": unit, "sourceUnit": "barg"}))
    )
    (found,) = of_node(core, "timeseries", "n")
    assert found["instanceId"] == node_ref("n")
    assert (found["isString"], found["isStep"], found["name"]) == (False, True, "N")
    assert (found["unit"], found["unitExternalId"]) == ("barg", "pressure:bar")
    assert core.all("/timeseries") == [found]

    point = {"timestamp": 1000, "value": 1.5}
    core.post("/timeseries/data", {"items": [{"instanceId": node_ref("n"), "datapoints": [point]}]})
    (read,) = core.items("/timeseries/data/list", {"items": [{"instanceId": node_ref("n")}]})
    assert (read["datapoints"], read["id"]) == ([point], found["id"])

    apply(core, node("n", (SERIES, {"name": "M", "sourceUnit": None})))
    (changed,) = of_node(core, "timeseries", "n")
    assert (changed["name"], changed["id"], "unit" in changed) == ("M", found["id"], False)
    assert changed["lastUpdatedTime"] > found["lastUpdatedTime"]


def test_a_series_goes_with_its_node(core: Caller) -> None:
    apply(core, node("n", (SERIES, {"type": "string", "isStep": False})), node("other"))
    (found,) = of_node(core, "timeseries", "n")
    assert found["isString"] is True
    with pytest.raises(AnswerError, match="belong to data-model nodes"):
        core.post("/timeseries/delete", {"items": [{"id": found["id"]}]})
    core.post("/models/instances/delete", {"items": [key("n"), key("other")]})
    assert core.all("/timeseries") == []
    with pytest.raises(AnswerError) as caught:
        core.items("/timeseries/data/list", {"items": [{"instanceId": node_ref("n")}]})
    assert caught.value.error["missing"] == [{"instanceId": node_ref("n")}]
    apply(core, node("n", (SERIES, {"type": "numeric", "isStep": False})))
    assert of_node(core, "timeseries", "n")[0]["id"] != found["id"]


def test_the_type_of_a_series_stays(core: Caller) -> None:
    apply(core, node("n", (SERIES, {"type": "numeric", "isStep": False})))
    with pytest.raises(AnswerError, match="immutable"):
        apply(core, node("n", (SERIES, {"type": "string"})))


def test_a_node_is_a_file(core: Caller) -> None:
    apply(
        core, node("f", (FILE, {"name": "a.txt", "mimeType": "text/plain", "directory": "/d"})), node("g", (FILE, {}))
    )
    (found,) = of_node(core, "files", "f")
    assert (found["name"], found["mimeType"], found["directory"], found["uploaded"]) == (
        "a.txt",
        "text/plain",
        "/d",
        False,
    )
    assert of_node(core, "files", "g")[0]["name"] == "g"
    core.post("/models/instances/delete", {"items": [key("f")]})
    assert [one["instanceId"] for one in core.all("/files")] == [node_ref("g")]


def test_a_core_node_shows_through_the_views_it_implements(core: Caller) -> None:
    apply(core, node("f", (FILE, {"name": "a.txt", "sourceId": "S"})))
    describable = {**FILE, "externalId": "CogniteDescribable"}
    assert properties(core, "f", describable) == {"name": "a.txt"}
    assert properties(core, "f", FILE) == {"name": "a.txt", "sourceId": "S"}
    asset = {**FILE, "externalId": "CogniteAsset"}
    apply(core, node("a", (asset, {"name": "A", "parent": node_ref("root")})))
    assert properties(core, "a", asset) == {"name": "A", "parent": node_ref("root")}


def test_content_that_came_shows_in_the_node(core: Caller) -> None:
    apply(core, node("f", (FILE, {"name": "a.txt"})))
    link = core.items("/files/uploadlink", {"items": [{"instanceId": node_ref("f")}]})[0]["uploadUrl"]
    path = urlsplit(link)
    put = Request("PUT", path.path.partition("/projects/source")[2], parse_qs(path.query), {}, b"content")
    assert core.server.handle(put, "source").status == 200
    (found,) = of_node(core, "files", "f")
    assert found["uploaded"] is True
    shown = properties(core, "f", FILE)
    assert shown["isUploaded"] is True
    assert shown["uploadedTime"].startswith("2023-11-14T22:13:20.")
    apply(core, node("f", (FILE, {"name": "b.txt"})))
    assert of_node(core, "files", "f")[0]["uploaded"] is True
