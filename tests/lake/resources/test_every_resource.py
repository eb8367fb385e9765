# SPDX-License-Identifier: Apache-2.0
"""Every resource type, in full and by window: the table holds what the vendor's own client lists, field by field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cognite.client import ClientConfig, CogniteClient
from cognite.client.credentials import Token

from airflow_provider_replicator.lake.resources.declared import _FIELDS, classic_table
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.resources.exports import Exports, Row

POINT = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [10.5, -60.25]},
    "properties": {"a": [1, None]},
}
METADATA = {"Key": "1", "key": "2", "kEy": "", "": "empty", "æ\u2603": "x" * 2000}
ODD = "Ü %/ 'quoted\" \\ \u2028 😀"


def fill(exports: Exports) -> None:
    """Some objects of every type, with every field, and some with next to none."""
    create = exports.project.create
    data_set = create("/datasets", {"externalId": "ds", "name": "ds", "description": ODD, "metadata": METADATA})[0][
        "id"
    ]
    create("/datasets", {})
    create("/labels", {"externalId": "L", "name": "l", "description": ODD, "dataSetId": data_set})
    create("/labels", {"externalId": "l 2", "name": "l"})
    both = [{"externalId": "L"}, {"externalId": "l 2"}]
    common = {"metadata": METADATA, "dataSetId": data_set, "source": "SAP"}
    root = create(
        "/assets",
        {"externalId": "root", "name": ODD, **common, "labels": both, "geoLocation": POINT, "description": ODD},
    )[0]["id"]
    create(
        "/assets", {"name": "child", "parentId": root}, {"name": "c2", "externalId": "c2", "parentExternalId": "root"}
    )
    create("/events", event(1, endTime=9_000_000_000_000, subtype="s", description=ODD, assetIds=[root], **common), {})
    create("/events", {"startTime": 0, "metadata": {}})
    series = {"unit": "bar", "isStep": True, "securityCategories": [2**53 - 1], "assetId": root, "description": ODD}
    create("/timeseries", {"externalId": "ts", "name": ODD, **series, "metadata": METADATA, "dataSetId": data_set})
    create("/timeseries", {"isString": True})
    exports.clock.add_nodes(
        exports.project.name, "timeseries", [{"instanceId": {"space": "s", "externalId": "n"}, "name": "from a node"}]
    )
    times = {"sourceCreatedTime": 0, "sourceModifiedTime": 1_600_000_000_000}
    labelled = {"labels": both, "geoLocation": POINT, "assetIds": [root], "securityCategories": [1]}
    file = {"externalId": "f", "name": ODD, "directory": "/d", "mimeType": "text/plain", **times, **labelled, **common}
    exports.project.call("POST", "/files", file)
    exports.project.call("POST", "/files", {"name": "bare"})
    columns = [{"externalId": "c", "valueType": "STRING", "metadata": METADATA}, {"externalId": "d"}]
    create("/sequences", {"externalId": "s", "name": ODD, "columns": columns, "metadata": METADATA, "assetId": root})
    create("/sequences", {"columns": [{"externalId": "x"}]})
    ends = {"sourceExternalId": "root", "sourceType": "asset", "targetExternalId": "e1", "targetType": "event"}
    more = {"startTime": 1, "endTime": 2, "confidence": 0.1, "labels": both, "dataSetId": data_set}
    create("/relationships", {"externalId": "r", **ends, **more}, {"externalId": "r 2", **ends})


def listed(exports: Exports, resource: str) -> list[dict[str, Any]]:
    """What the vendor's client lists."""
    sandbox = exports.project.sandbox
    client = CogniteClient(
        ClientConfig("tests", exports.project.name, Token(sandbox.token), base_url=sandbox.base_url, timeout=60)
    )
    apis = {"timeseries": "time_series"}
    found = getattr(client, apis.get(resource, resource)).list(limit=None)
    return [one.dump(camel_case=True) for one in found]


def expected(document: dict[str, Any]) -> Row:
    row = dict(document)
    if "isString" in row:  # the client keeps this one to itself
        row["type"] = "string" if row["isString"] else "numeric"
    if "labels" in row:
        row["labels"] = [label["externalId"] for label in row["labels"]]
    return row


def schema_of(exports: Exports, resource: str) -> Any:
    return json.loads(exports.table(resource).schema().to_json())


def read_back(row: Row) -> Row:
    found = dict(row)
    for name in ("geoLocation", "columns"):
        if name in found:
            found[name] = json.loads(found[name])
    return found


@pytest.fixture
def filled(exports: Exports) -> Exports:
    fill(exports)
    return exports


@pytest.mark.parametrize("mode", ["full", "window", "both"])
def test_the_table_is_what_the_source_lists(filled: Exports, mode: str) -> None:
    end = filled.clock.now_ms() + 1000
    for resource in _FIELDS:
        key = classic_table(resource).layout.key
        report = filled.export(resource, (0, end)) if mode != "full" else filled.export(resource)
        if mode == "both":
            filled.export(resource)
        source = {document[key]: expected(document) for document in listed(filled, resource)}
        assert len(source) >= 2
        assert {found[key]: read_back(found) for found in filled.rows(resource)} == source, resource
        assert (report.read, report.written, report.created) == (len(source), len(source), len(source))


def test_the_same_on_s3(exports_to: Callable[[Lake], Exports], s3_lake: Lake) -> None:
    exports = exports_to(s3_lake)
    fill(exports)
    end = exports.clock.now_ms() + 1000
    for resource in ("assets", "files"):
        exports.export(resource, (0, end))
        exports.export(resource, (0, end))
        report = exports.export(resource)
        assert {row["id"]: read_back(row) for row in exports.rows(resource)} == {
            document["id"]: expected(document) for document in listed(exports, resource)
        }
        assert report.tables[0]["table"] == f"resources/{resource}"


def test_tables_have_the_same_columns_whether_anything_is_in_them_or_not(
    exports: Exports, exports_to: Callable[[Lake], Exports], tmp_path: Any
) -> None:
    from airflow_provider_replicator.lake.location import Lake

    full = exports_to(Lake(f"file://{tmp_path}/full"))
    fill(full)
    for resource in _FIELDS:
        if resource not in ("labels",):
            exports.export(resource, (0, 1))
            full.export(resource)
            assert schema_of(exports, resource) == schema_of(full, resource)
        report = exports.export(resource)
        assert exports.rows(resource) == []
        assert (report.read, report.written) == (0, 0)
        assert exports.frame(resource).schema["createdTime"].time_zone == "UTC"  # type: ignore[attr-defined]


def test_aggregates_of_assets_when_asked_for(filled: Exports) -> None:
    filled.export("assets", aggregates=True)
    rows = {row["name"]: row for row in filled.rows("assets")}
    root = rows[ODD]["id"]
    assert {name: (row["depth"], row["childCount"], row["path"]) for name, row in rows.items()} == {
        ODD: (0, 2, [root]),
        "child": (1, 0, [root, rows["child"]["id"]]),
        "c2": (1, 0, [root, rows["c2"]["id"]]),
    }
