# SPDX-License-Identifier: Apache-2.0
"""`/timeseries/data` as clients meet it: JSON and protobuf, limits, cursors, statuses, errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cognite.client._proto.data_point_insertion_request_pb2 import DataPointInsertionRequest
from cognite.client._proto.data_point_list_response_pb2 import DataPointListResponse

from airflow_provider_replicator.sandbox.cdf.http import Request, Response
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.conftest import NOW

EVERYTHING = {"ignoreBadDataPoints": False, "treatUncertainAsBad": False, "includeStatus": True}
FIRST, LAST = -2_208_988_800_000, 4_102_444_799_999
DAY = 86_400_000


@pytest.fixture
def cdf(cdf: Caller) -> Caller:
    """``n`` numeric, ``s`` string, ``m`` another numeric one."""
    cdf.create(
        "/timeseries",
        {"externalId": "n", "unit": "barg", "isStep": True},
        {"externalId": "s", "isString": True},
        {"externalId": "m"},
    )
    return cdf


def insert(cdf: Caller, name: str, *points: Any) -> None:
    """Each point is ``(timestamp, value)`` or ``(timestamp, value, status)``."""
    rows = [dict(zip(("timestamp", "value", "status"), point, strict=False)) for point in points]
    cdf.post("/timeseries/data", {"items": [{"externalId": name, "datapoints": rows}]})


def read(cdf: Caller, name: str, **query: Any) -> dict[str, Any]:
    return cdf.items("/timeseries/data/list", {"items": [{"externalId": name, **query}]})[0]


def values(cdf: Caller, name: str, **query: Any) -> list[Any]:
    return [point.get("value") for point in read(cdf, name, **query)["datapoints"]]


def send(cdf: Caller, path: str, body: bytes, **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return cdf.server.handle(Request("POST", path, {}, names, body), cdf.project)


def listed_as_protobuf(cdf: Caller, **query: Any) -> DataPointListResponse:
    answer = send(cdf, "/timeseries/data/list", orjson.dumps(query), accept="application/protobuf")
    assert (answer.status, answer.content_type) == (200, "application/protobuf")
    response: DataPointListResponse = DataPointListResponse.FromString(answer.body)
    return response


def test_points_come_back_in_order_with_what_describes_their_series(cdf: Caller) -> None:
    insert(cdf, "n", (3000, 3), (1000, 1.5), (2000, 0))
    item = read(cdf, "n")
    series = cdf.items("/timeseries/byids", {"items": [{"externalId": "n"}]})[0]
    assert item == {
        "id": series["id"],
        "externalId": "n",
        "unit": "barg",
        "isString": False,
        "isStep": True,
        "type": "numeric",
        "datapoints": [
            {"timestamp": 1000, "value": 1.5},
            {"timestamp": 2000, "value": 0.0},
            {"timestamp": 3000, "value": 3.0},
        ],
    }


def test_protobuf_carries_the_same_as_json(cdf: Caller) -> None:
    insert(cdf, "n", (0, 0), (5, 2.5), (6, 1, {"symbol": "GoodClamped"}), (7, None, {"code": 0x8000_0000}))
    insert(cdf, "s", (0, ""), (5, "åpen"))
    response = listed_as_protobuf(cdf, items=[{"externalId": "n"}, {"externalId": "s"}], **EVERYTHING)
    numeric, text = response.items
    assert (numeric.externalId, numeric.unit, numeric.isStep, numeric.isString, numeric.type) == (
        "n",
        "barg",
        True,
        False,
        1,
    )
    found = [
        (p.timestamp, p.value, p.status.code, p.status.symbol, p.nullValue)
        for p in numeric.numericDatapoints.datapoints
    ]
    assert found == [
        (0, 0.0, 0, "", False),
        (5, 2.5, 0, "", False),
        (6, 1.0, 48 << 16, "GoodClamped", False),
        (7, 0.0, 0x8000_0000, "Bad", True),
    ]
    assert (text.isString, text.type) == (True, 2)
    assert [(p.timestamp, p.value) for p in text.stringDatapoints.datapoints] == [(0, ""), (5, "åpen")]


def test_a_list_response_can_be_inserted_as_it_is(cdf: Caller) -> None:
    """What a relay does: the points of the answer become the points of the request, byte for byte."""
    insert(cdf, "n", (-5, 1), (0, 0), (9, "NaN", {"symbol": "Bad"}), (NOW, 2, {"symbol": "Uncertain"}))
    insert(cdf, "s", (1, "a"), (2, "b", {"symbol": "Bad"}))
    source = listed_as_protobuf(
        cdf, items=[{"externalId": "n"}, {"externalId": "s"}], start=FIRST, end=LAST, **EVERYTHING
    )
    cdf.create("/timeseries", {"externalId": "n2"}, {"externalId": "s2", "isString": True})
    request = DataPointInsertionRequest()
    for item in source.items:
        copy = request.items.add(externalId=item.externalId + "2")
        if item.isString:
            copy.stringDatapoints.CopyFrom(item.stringDatapoints)
        else:
            copy.numericDatapoints.CopyFrom(item.numericDatapoints)
    answer = send(cdf, "/timeseries/data", request.SerializeToString(), content_type="application/protobuf")
    assert (answer.status, answer.body) == (200, b"{}")
    for name in ("n", "s"):
        expected = read(cdf, name, start=FIRST, end=LAST, **EVERYTHING)["datapoints"]
        assert read(cdf, name + "2", start=FIRST, end=LAST, **EVERYTHING)["datapoints"] == expected
        assert expected


def test_protobuf_inserts_address_series_by_any_identifier(cdf: Caller) -> None:
    identity = cdf.items("/timeseries/byids", {"items": [{"externalId": "n"}]})[0]["id"]
    request = DataPointInsertionRequest()
    request.items.add(id=identity).numericDatapoints.datapoints.add(timestamp=1, value=1)
    request.items.add(externalId="m").numericDatapoints.datapoints.add(timestamp=2, value=2)
    send(cdf, "/timeseries/data", request.SerializeToString(), content_type="application/protobuf")
    assert (values(cdf, "n"), values(cdf, "m")) == ([1.0], [2.0])
    unknown = DataPointInsertionRequest()
    node = unknown.items.add()
    node.instanceId.space, node.instanceId.externalId = "sp", "x"
    node.numericDatapoints.datapoints.add(timestamp=1)
    answer = send(cdf, "/timeseries/data", unknown.SerializeToString(), content_type="application/protobuf")
    assert orjson.loads(answer.body)["error"]["missing"] == [{"instanceId": {"space": "sp", "externalId": "x"}}]


def test_the_same_timestamp_overwrites(cdf: Caller) -> None:
    insert(cdf, "n", (1, 1), (2, 2, {"symbol": "Bad"}))
    insert(cdf, "n", (2, 20), (3, 30))
    assert values(cdf, "n") == [1.0, 20.0, 30.0]


def test_start_is_inclusive_end_exclusive_and_absent_start_is_1970(cdf: Caller) -> None:
    insert(cdf, "n", (-1, -1), (0, 0), (1, 1), (2, 2))
    assert values(cdf, "n") == [0.0, 1.0, 2.0]
    assert values(cdf, "n", start=-1, end=2) == [-1.0, 0.0, 1.0]


def test_times_may_be_relative_to_the_projects_clock(cdf: Caller) -> None:
    insert(cdf, "n", (NOW - 3 * DAY, 1), (NOW - DAY, 2), (NOW, 3), (NOW + DAY, 4))
    assert values(cdf, "n", start="2d-ago") == [2.0]
    assert values(cdf, "n", start="1w-ago", end="now") == [1.0, 2.0]
    assert values(cdf, "n", start=str(NOW), end="2d-ahead") == [3.0, 4.0]
    cdf.server.clock.advance(DAY)
    assert values(cdf, "n", start="2d-ago", end="now") == [2.0, 3.0]


def test_items_may_override_the_defaults_of_the_request(cdf: Caller) -> None:
    insert(cdf, "n", *((time, time) for time in range(10)))
    items = [{"externalId": "n"}, {"externalId": "n", "limit": 1, "start": 7}]
    found = cdf.items("/timeseries/data/list", {"items": items, "limit": 2, "start": 5})
    assert [[point["timestamp"] for point in item["datapoints"]] for item in found] == [[5, 6], [7]]


def test_cursors_lead_through_a_series_to_its_end(cdf: Caller) -> None:
    insert(cdf, "n", *((time, time) for time in range(250)))
    seen: list[int] = []
    cursor = None
    pages = 0
    while cursor or not pages:
        page = read(cdf, "n", start=10, limit=80, **({"cursor": cursor} if cursor else {"cursor": None}))
        seen += [point["timestamp"] for point in page["datapoints"]]
        cursor = page.get("nextCursor")
        pages += 1
    assert (seen, pages) == (list(range(10, 250)), 3)


def test_a_page_that_ends_with_the_data_has_no_cursor(cdf: Caller) -> None:
    insert(cdf, "n", (1, 1), (2, 2))
    assert "nextCursor" not in read(cdf, "n", limit=2)
    assert "nextCursor" in read(cdf, "n", limit=1)
    assert listed_as_protobuf(cdf, items=[{"externalId": "n"}], limit=2).items[0].nextCursor == ""


def test_a_cursor_of_another_series_or_query_is_refused(cdf: Caller) -> None:
    insert(cdf, "n", (1, 1), (2, 2))
    cursor = read(cdf, "n", limit=1)["nextCursor"]
    for name, extra in (("m", {}), ("n", {"ignoreBadDataPoints": False}), ("n", {"cursor": "nonsense"})):
        with pytest.raises(AnswerError, match="cursor") as error:
            read(cdf, name, **{"limit": 1, "cursor": cursor, **extra})
        assert error.value.status == 400


def test_bad_and_uncertain_points_are_left_out_unless_asked_for(cdf: Caller) -> None:
    insert(cdf, "n", (1, 1), (2, 2, {"symbol": "Uncertain"}), (3, 3, {"symbol": "Bad"}), (4, 4, {"code": 1024}))
    assert values(cdf, "n") == [1.0, 4.0]
    assert values(cdf, "n", treatUncertainAsBad=False) == [1.0, 2.0, 4.0]
    assert values(cdf, "n", ignoreBadDataPoints=False) == [1.0, 2.0, 3.0, 4.0]
    statuses = [point.get("status") for point in read(cdf, "n", **EVERYTHING)["datapoints"]]
    assert statuses == [
        None,
        {"code": 0x4000_0000, "symbol": "Uncertain"},
        {"code": 0x8000_0000, "symbol": "Bad"},
        {"code": 1024, "symbol": "Good"},
    ]


def test_limits_count_only_the_points_that_are_returned(cdf: Caller) -> None:
    insert(cdf, "n", *((time, time, {"symbol": "Bad"} if time % 2 else None) for time in range(10)))
    page = read(cdf, "n", limit=3)
    assert [point["timestamp"] for point in page["datapoints"]] == [0, 2, 4]
    rest = read(cdf, "n", limit=3, cursor=page["nextCursor"])
    assert [point["timestamp"] for point in rest["datapoints"]] == [6, 8]


def test_bad_numbers_may_be_missing_or_not_finite(cdf: Caller) -> None:
    bad = {"symbol": "Bad"}
    insert(cdf, "n", (1, None, bad), (2, "NaN", bad), (3, "-Infinity", bad), (4, "Infinity", bad))
    assert values(cdf, "n", **EVERYTHING) == [None, "NaN", "-Infinity", "Infinity"]


def test_outside_points_come_with_the_inside_ones(cdf: Caller) -> None:
    insert(cdf, "n", *((time, time) for time in range(0, 100, 10)))
    times = [p["timestamp"] for p in read(cdf, "n", start=25, end=55, includeOutsidePoints=True)["datapoints"]]
    assert times == [20, 30, 40, 50, 60]
    cut = read(cdf, "n", start=25, end=75, limit=2, includeOutsidePoints=True)
    assert ([p["timestamp"] for p in cut["datapoints"]], "nextCursor" in cut) == ([20, 30, 40, 80], False)
    with pytest.raises(AnswerError, match="includeOutsidePoints"):
        read(cdf, "n", includeOutsidePoints=True, cursor="x")


def test_latest_is_the_last_usable_point_before_a_time(cdf: Caller) -> None:
    insert(cdf, "n", (NOW - 10, 1), (NOW - 5, 2, {"symbol": "Bad"}), (NOW + 5, 3))

    def latest(**query: Any) -> list[int]:
        item = cdf.items("/timeseries/data/latest", {"items": [{"externalId": "n", **query}]})[0]
        return [point["timestamp"] - NOW for point in item["datapoints"]]

    assert latest() == [-10]
    assert latest(ignoreBadDataPoints=False) == [-5]
    assert latest(before=NOW + 6) == [5]
    assert latest(before="1d-ahead") == [5]
    assert latest(before=NOW - 10) == []


def test_latest_answers_in_protobuf_too(cdf: Caller) -> None:
    insert(cdf, "n", (1, 7))
    body = orjson.dumps({"items": [{"externalId": "n"}]})
    answer = send(cdf, "/timeseries/data/latest", body, accept="application/protobuf")
    item = DataPointListResponse.FromString(answer.body).items[0]
    assert [(point.timestamp, point.value) for point in item.numericDatapoints.datapoints] == [(1, 7.0)]


def test_deletes_take_a_range_or_one_millisecond(cdf: Caller) -> None:
    insert(cdf, "n", *((time, time) for time in range(10)))
    delete = [{"externalId": "n", "inclusiveBegin": 2, "exclusiveEnd": 5}, {"externalId": "n", "inclusiveBegin": 8}]
    assert cdf.post("/timeseries/data/delete", {"items": delete}) == {}
    assert [int(value) for value in values(cdf, "n")] == [0, 1, 5, 6, 7, 9]
    with pytest.raises(AnswerError, match="exclusiveEnd"):
        cdf.post("/timeseries/data/delete", {"items": [{"externalId": "n", "inclusiveBegin": 5, "exclusiveEnd": 5}]})


def test_a_deleted_series_takes_its_points_along(cdf: Caller) -> None:
    insert(cdf, "n", (1, 1))
    cdf.post("/timeseries/delete", {"items": [{"externalId": "n"}]})
    cdf.create("/timeseries", {"externalId": "n"})
    assert values(cdf, "n") == []


def test_unknown_series_are_named_or_ignored(cdf: Caller) -> None:
    items = [{"externalId": "n"}, {"externalId": "x"}, {"id": 1}, {"externalId": "x"}]
    for path in ("list", "latest"):
        with pytest.raises(AnswerError) as error:
            cdf.post(f"/timeseries/data/{path}", {"items": items})
        assert error.value.status == 400
        assert error.value.error["missing"] == [{"externalId": "x"}, {"id": 1}]
        found = cdf.items(f"/timeseries/data/{path}", {"items": items, "ignoreUnknownIds": True})
        assert [item["externalId"] for item in found] == ["n"]


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        ({"timestamp": FIRST - 1, "value": 1}, "Timestamp"),
        ({"timestamp": LAST + 1, "value": 1}, "Timestamp"),
        ({"timestamp": 1 << 62, "value": 1}, "Timestamp"),
        ({"timestamp": 1.5, "value": 1}, "Timestamps"),
        ({"value": 1}, "timestamp"),
        ({"timestamp": 1, "value": 1.1e100}, "1e\\+100"),
        ({"timestamp": 1, "value": -1.1e100, "status": {"symbol": "Bad"}}, "1e\\+100"),
        ({"timestamp": 1, "value": "1"}, "numeric"),
        ({"timestamp": 1, "value": True}, "numeric"),
        ({"timestamp": 1, "value": "NaN"}, "NaN"),
        ({"timestamp": 1}, "missing"),
        ({"timestamp": 1, "value": 1, "status": {"code": 1}}, "^400.*Invalid status code"),
        ({"timestamp": 1, "value": 1, "status": {"symbol": "bad"}}, "Invalid status code symbol"),
        ({"timestamp": 1, "value": 1, "status": {"symbol": "Bad", "code": 0}}, "Invalid status code symbol"),
    ],
)
def test_what_the_api_refuses_stores_nothing(cdf: Caller, point: dict[str, Any], reason: str) -> None:
    good = {"externalId": "m", "datapoints": [{"timestamp": 1, "value": 1}]}
    with pytest.raises(AnswerError, match=reason) as error:
        cdf.post("/timeseries/data", {"items": [good, {"externalId": "n", "datapoints": [point]}]})
    assert error.value.status == 400
    assert values(cdf, "m") == []


def test_strings_are_limited_in_bytes_not_characters(cdf: Caller) -> None:
    insert(cdf, "s", (1, "é" * 511))
    with pytest.raises(AnswerError, match="1023 bytes"):
        insert(cdf, "s", (2, "é" * 512))
    with pytest.raises(AnswerError, match="string"):
        insert(cdf, "s", (2, 5))


def test_protobuf_points_of_the_wrong_kind_or_out_of_range_are_refused(cdf: Caller) -> None:
    wrong_kind = DataPointInsertionRequest()
    wrong_kind.items.add(externalId="s").numericDatapoints.datapoints.add(timestamp=1, value=1)
    too_large = DataPointInsertionRequest()
    too_large.items.add(externalId="n").numericDatapoints.datapoints.add(timestamp=1, value=2e100)
    too_old = DataPointInsertionRequest()
    too_old.items.add(externalId="n").numericDatapoints.datapoints.add(timestamp=FIRST - 1, value=2)
    for request in (wrong_kind, too_large, too_old):
        answer = send(cdf, "/timeseries/data", request.SerializeToString(), content_type="application/protobuf")
        assert answer.status == 400
    assert send(cdf, "/timeseries/data", b"\x0a\xff", content_type="application/protobuf").status == 400
    assert send(cdf, "/timeseries/data", b"", content_type="application/protobuf").status == 400


def test_a_series_may_be_named_only_once_in_an_insert(cdf: Caller) -> None:
    identity = cdf.items("/timeseries/byids", {"items": [{"externalId": "n"}]})[0]["id"]
    items = [{"externalId": "n", "datapoints": []}, {"id": identity, "datapoints": [{"timestamp": 1, "value": 1}]}]
    with pytest.raises(AnswerError) as error:
        cdf.post("/timeseries/data", {"items": items})
    assert (error.value.status, error.value.error["duplicated"]) == (422, [{"id": identity}])


def test_requests_are_limited(cdf: Caller) -> None:
    too_many = [{"timestamp": time, "value": 1} for time in range(100_001)]
    refused: list[tuple[str, Any]] = [
        ("/timeseries/data", {"items": [{"externalId": "n", "datapoints": too_many}]}),
        ("/timeseries/data", {"items": []}),
        ("/timeseries/data/list", {"items": [{"externalId": "n"}] * 101}),
        ("/timeseries/data/list", {"items": [{"externalId": "n", "limit": 100_001}]}),
        ("/timeseries/data/list", {"items": [{"externalId": "n"}, {"externalId": "m"}], "limit": 50_001}),
        ("/timeseries/data/list", {"items": [{"externalId": "n", "limit": -1}]}),
        ("/timeseries/data/list", {"items": [{"externalId": "n", "start": 5, "end": 5}]}),
        ("/timeseries/data/list", {"items": [{"externalId": "n", "start": "yesterday"}]}),
        ("/timeseries/data/list", {"items": [{"externalId": "n", "id": 1}]}),
        ("/timeseries/data/latest", {"items": [{"externalId": "n"}] * 101}),
        ("/timeseries/data/delete", {"items": [{"externalId": "n"}]}),
    ]
    for path, body in refused:
        with pytest.raises(AnswerError) as error:
            cdf.post(path, body)
        assert error.value.status == 400, (path, error.value)


def test_values_are_converted_to_a_unit_of_the_same_quantity(cdf: Caller) -> None:
    cdf.create("/timeseries", {"externalId": "t", "unitExternalId": "temperature:deg_c"})
    insert(cdf, "t", (1, -40), (2, 100))
    item = read(cdf, "t", targetUnit="temperature:deg_f")
    assert [point["value"] for point in item["datapoints"]] == pytest.approx([-40, 212])
    assert item["unitExternalId"] == "temperature:deg_f"
    assert values(cdf, "t", targetUnitSystem="SI") == pytest.approx([233.15, 373.15])
    for query in ({"targetUnit": "pressure:bar"}, {"targetUnit": "temperature:k", "targetUnitSystem": "SI"}):
        with pytest.raises(AnswerError, match="nit"):
            read(cdf, "t", **query)
    with pytest.raises(AnswerError, match="Cannot convert"):
        read(cdf, "n", targetUnit="temperature:k")
