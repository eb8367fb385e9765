# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends to the streams, the answer is an answer: never an internal error."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_replicator.sandbox.cdf.http import Request
from airflow_provider_replicator.sandbox.cdf.server import CdfServer
from airflow_provider_replicator.sandbox.clock import Clock
from tests.sandbox.conftest import NOW

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just([["x"]]),
)
NAMES = st.sampled_from(["n", "s", "step", "missing"])
TIMES = st.sampled_from([0, 5, NOW, -(1 << 60), 1 << 60, "now", "2d-ago", "999999999999999999w-ahead", "٣d-ago"])
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "externalId": NAMES,
    "id": st.integers(0, 5),
    "instanceId": st.just({"space": "a", "externalId": "b"}),
    "start": TIMES,
    "end": TIMES,
    "before": TIMES,
    "inclusiveBegin": TIMES,
    "exclusiveEnd": TIMES,
    "limit": st.sampled_from([0, 1, 3, 100, 10_000, 100_000]),
    "aggregates": st.sampled_from(
        [["count"], ["average", "stepInterpolation"], ["interpolation"], ["maxDatapoint"], ["no"]]
    ),
    "granularity": st.sampled_from(["1h", "7d", "2mo", "0s", "s", "1x"]),
    "timeZone": st.sampled_from(["UTC", "Europe/Oslo", "UTC+25:00", "../etc"]),
    "includeStatus": st.booleans(),
    "ignoreBadDataPoints": st.booleans(),
    "includeOutsidePoints": st.booleans(),
    "targetUnit": st.sampled_from(["temperature:k", "x"]),
    "targetUnitSystem": st.sampled_from(["SI", "x"]),
    "cursor": st.text(max_size=4),
    "columns": st.one_of(st.just({"a": 1}), st.just(["l"]), st.just(["l", "x"])),
    "key": st.text(max_size=3),
    "name": st.sampled_from(["db", "t", "new"]),
    "rows": st.one_of(st.just([1, 2]), st.just([{"rowNumber": 1, "values": [1]}])),
    "uploadId": st.text(max_size=3),
    "datapoints": st.just([{"timestamp": 1, "value": 1}]),
}


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these properties, mostly of a usual kind, sometimes of an odd one."""
    fields = {name: st.one_of(USUAL[name], USUAL[name], USUAL[name], ODD) for name in names}
    return st.fixed_dictionaries({}, optional=fields)


_QUERY = (
    "externalId",
    "start",
    "end",
    "limit",
    "aggregates",
    "granularity",
    "timeZone",
    "includeStatus",
    "ignoreBadDataPoints",
)
_MORE = ("includeOutsidePoints", "targetUnit", "targetUnitSystem", "cursor")
BODIES: dict[str, tuple[str, ...]] = {
    "/timeseries/data": ("externalId", "id", "datapoints"),
    "/timeseries/data/list": (*_QUERY, *_MORE),
    "/timeseries/data/latest": ("externalId", "instanceId", "before", "targetUnit", "includeStatus"),
    "/timeseries/data/delete": ("externalId", "inclusiveBegin", "exclusiveEnd"),
    "/raw/dbs": ("name",),
    "/raw/dbs/delete": ("name",),
    "/raw/dbs/db/tables": ("name",),
    "/raw/dbs/db/tables/t/rows": ("key", "columns"),
    "/raw/dbs/db/tables/t/rows/delete": ("key",),
    "/sequences/data": ("externalId", "columns", "rows"),
    "/sequences/data/delete": ("externalId", "rows"),
    "/files/downloadlink": ("externalId", "id"),
    "/files/uploadlink": ("externalId",),
}
BARE: dict[str, tuple[str, ...]] = {
    "/sequences/data/list": ("externalId", "start", "end", "limit", "columns", "cursor"),
    "/sequences/data/latest": ("externalId", "before", "columns"),
    "/files": ("externalId", "name"),
    "/files/completemultipartupload": ("externalId", "uploadId"),
}


@pytest.fixture(scope="module")
def fuzzed() -> CdfServer:
    server = CdfServer(["p"], clock=Clock(at=NOW))
    points = [
        {"timestamp": n, "value": n, "status": {"symbol": ("Good", "Bad", "Uncertain")[n % 3]}} for n in range(40)
    ]
    series: list[dict[str, Any]] = [
        {"externalId": "n"},
        {"externalId": "step", "isStep": True},
        {"externalId": "s", "isString": True},
    ]
    sequence = {"externalId": "n", "columns": [{"externalId": "l", "valueType": "LONG"}]}
    for path, items in (
        ("/timeseries", series),
        ("/timeseries/data", [{"externalId": name, "datapoints": points} for name in ("n", "step")]),
        ("/sequences", [sequence]),
    ):
        body = {"items": items}
        assert server.handle(Request("POST", path, body=orjson.dumps(body)), "p").status < 300
    return server


def no_internal_error(server: CdfServer, request: Request) -> None:
    answer = server.handle(request, "p")
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        error = orjson.loads(answer.body)["error"]
        assert error["code"] == answer.status
        assert error["message"]


RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("path", sorted(BODIES))
@RELAXED
@given(data=st.data())
def test_items(fuzzed: CdfServer, path: str, data: st.DataObject) -> None:
    items = data.draw(st.one_of(st.lists(objects(*BODIES[path]), max_size=3), ODD))
    defaults = data.draw(objects(*_QUERY[1:])) if path.endswith("list") else {}
    body = data.draw(st.one_of(st.just({**defaults, "items": items}), st.just({**defaults, "items": items}), ODD))
    headers = {"accept": data.draw(st.sampled_from(["application/json", "application/protobuf"]))}
    no_internal_error(fuzzed, Request("POST", path, {}, headers, orjson.dumps(body)))


@pytest.mark.parametrize("path", sorted(BARE))
@RELAXED
@given(data=st.data())
def test_bare_bodies(fuzzed: CdfServer, path: str, data: st.DataObject) -> None:
    body = data.draw(st.one_of(objects(*BARE[path]), objects(*BARE[path]), ODD))
    no_internal_error(fuzzed, Request("POST", path, {}, {}, orjson.dumps(body)))


@RELAXED
@given(
    st.sampled_from(["/raw/dbs", "/raw/dbs/db/tables", "/raw/dbs/db/tables/t/rows", "/raw/dbs/db/tables/t/cursors"]),
    st.dictionaries(
        st.sampled_from(["limit", "cursor", "columns", "minLastUpdatedTime", "maxLastUpdatedTime", "numberOfCursors"]),
        st.one_of(st.text(max_size=4), st.integers().map(str)),
    ),
)
def test_query_strings(path: str, query: dict[str, str]) -> None:
    server = CdfServer(["p"], clock=Clock(at=NOW))
    insert = Request(
        "POST", "/raw/dbs/db/tables/t/rows", {"ensureParent": ["true"]}, body=b'{"items":[{"key":"k","columns":{}}]}'
    )
    assert server.handle(insert, "p").status == 200
    no_internal_error(server, Request("GET", path, {name: [value] for name, value in query.items()}))


@RELAXED
@given(st.binary(max_size=40))
def test_protobuf_bodies(fuzzed: CdfServer, body: bytes) -> None:
    headers = {"content-type": "application/protobuf"}
    no_internal_error(fuzzed, Request("POST", "/timeseries/data", {}, headers, body))
