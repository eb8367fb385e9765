# SPDX-License-Identifier: Apache-2.0
"""cognite-replicator 1.3.2, a client we did not write, completes against the sandbox what it can do anywhere.

The objects it leaves are those of ``reference/cognite-replicator.md`` §1, the numbers of requests those that were recorded in its §4
against another server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.peer.copies import copies_say, named, said, said_by_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.projects import Pair, Project
    from tests.peer.running import Peer

Doc = dict[str, Any]


def with_assets(pair: Pair, peer: Peer, *names: str) -> dict[str, int]:
    """Assets in both projects, copied by the peer. The source's ids by name."""
    made = pair.source.create("/assets", *({"externalId": name, "name": name} for name in names))
    peer.done(pair, "assets")
    return {doc["externalId"]: doc["id"] for doc in made}


# -- assets


def test_assets_1212_in_three_levels(pair: Pair, peer: Peer, edited_later: Callable[[], None]) -> None:
    middle = named(11, "m", name="unit", parentExternalId="root")
    leaves = [{"externalId": f"l{n}", "name": "pump", "parentExternalId": f"m{n % 11}"} for n in range(1200)]
    (root,) = pair.source.create("/assets", {"externalId": "root", "name": "plant"})
    pair.source.create("/assets", *middle)
    leaf, other, *_ = pair.source.create("/assets", *leaves)

    assert peer.done(pair, "assets") == 1219  # 2 + 1 lists, 1212 look-ups, 4 creates
    assert copies_say(pair, "/assets") == {
        key: {"metadata": {}, **said(doc)} for key, doc in pair.source.by_key("/assets").items()
    }
    assert peer.done(pair, "assets") == 4

    before = pair.target.by_key("/assets")
    edited_later()
    pair.source.update("/assets", leaf, name={"set": "valve"}, metadata={"set": {"k": "v"}})
    pair.source.update("/assets", other, description={"set": "new"})
    assert peer.done(pair, "assets") == 5
    after = pair.target.by_key("/assets")
    changed = [key for key, doc in after.items() if doc != before[key]]
    assert sorted(changed) == ["l0", "l1"]
    assert after["l0"]["id"] == before["l0"]["id"]
    assert said_by_copy(after["l0"], leaf, pair.source.name) == {
        "externalId": "l0",
        "name": "valve",
        "parentExternalId": "m0",
        "metadata": {"k": "v"},
    }
    assert after["l1"]["description"] == "new"
    assert after["root"]["metadata"]["_replicatedInternalId"] == str(root["id"])


def test_assets_keep_these_fields_and_lose_the_others(pair: Pair, peer: Peer) -> None:
    pair.source.create("/labels", {"externalId": "label", "name": "label"})
    kept = {"externalId": "a", "name": "a", "description": "d", "source": "s", "metadata": {"k": "v"}}
    lost = {"labels": [{"externalId": "label"}], "geoLocation": POINT}
    nameless = {"name": "without external id"}
    pair.source.create("/assets", {**kept, **lost}, nameless)
    peer.done(pair, "assets")
    copies = {doc["name"]: said(doc) for doc in pair.target.all("/assets")}
    assert {name: {**doc, "metadata": len(doc["metadata"])} for name, doc in copies.items()} == {
        "a": {**kept, "metadata": 4},
        "without external id": {**nameless, "metadata": 3},
    }


POINT = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [10.5, 59.9]}}


def test_assets_of_a_subtree_to_a_depth(pair: Pair, peer: Peer) -> None:
    (top,) = pair.source.create("/assets", {"externalId": "top", "name": "top"})
    pair.source.create("/assets", {"externalId": "side", "name": "side", "parentExternalId": "top"})
    for parent, child in (("top", "sub"), ("sub", "c"), ("sub", "d"), ("c", "too deep")):
        pair.source.create("/assets", {"externalId": child, "name": child, "parentExternalId": parent})

    # byids, one list for the only level below, the target's list, 3 look-ups, 2 creates
    assert peer.done(pair, "assets", subtree_external_ids="sub", subtree_max_depth=1) == 8
    copies = copies_say(pair, "/assets")
    assert {key: doc.get("parentExternalId") for key, doc in copies.items()} == {"sub": None, "c": "sub", "d": "sub"}
    assert copies["sub"]["metadata"] == {
        "_replicatedOriginalParentId": str(top["id"]),
        "_replicatedOriginalParentExternalId": "top",
    }


def test_assets_with_data_sets(pair: Pair, peer: Peer) -> None:
    data_set = {
        "externalId": "set",
        "name": "set",
        "description": "d",
        "metadata": {"k": "v"},
        "writeProtected": False,
    }
    (made,) = pair.source.create("/datasets", data_set)
    pair.source.create("/assets", *named(3, "a", name="a", dataSetId=made["id"]))
    options: Doc = {"config": {"dataset_support": True}, "src_dst_dataset_mapping": {}}
    # Besides lists, look-ups and the create: the data set here, there by external id, there by name, created.
    assert peer.done(pair, "assets", **options) == 2 + 3 + 1 + 4
    (copy,) = pair.target.all("/datasets")
    assert said(copy) == data_set
    assert {doc["dataSetId"] for doc in pair.target.all("/assets")} == {copy["id"]}
    assert peer.done(pair, "assets", **options) == 2


# -- what hangs on assets


def test_events_2502(pair: Pair, peer: Peer) -> None:
    assets = with_assets(pair, peer, "a", "b")
    full = {"type": "t", "subtype": "u", "description": "d", "metadata": {"k": "v"}, "source": "s"}
    plain = named(2500, "e", startTime=1, endTime=2, assetIds=[assets["a"]])
    linked = {"externalId": "linked", "startTime": 5, "endTime": 9, "assetIds": list(assets.values()), **full}
    unlinked = {"externalId": "unlinked", "startTime": 5, "endTime": 9}
    pair.source.create("/events", linked, unlinked, *plain)

    assert peer.done(pair, "events") == 8
    copies = copies_say(pair, "/events")
    assert len(copies) == 2502
    there = {key: doc["id"] for key, doc in pair.target.by_key("/assets").items()}
    assert copies["linked"] == {**linked, "assetIds": [there["a"], there["b"]]}
    assert copies["unlinked"] == {**unlinked, "metadata": {}}
    assert copies["e7"] == {**plain[7], "assetIds": [there["a"]], "metadata": {}}
    assert peer.done(pair, "events") == 7
    assert len(pair.target.all("/events")) == 2502


def test_events_in_threads(pair: Pair, peer: Peer) -> None:
    with_assets(pair, peer, "a")
    pair.source.create("/events", *named(2500, "e", startTime=1, endTime=2))
    assert peer.done(pair, "events", batch_size=500, num_threads=3) == 3 + 1 + 1 + 5
    assert set(pair.target.by_key("/events")) == {f"e{n}" for n in range(2500)}


def test_events_by_name_by_pattern_and_by_link(pair: Pair, peer: Peer, project: Callable[[], Project]) -> None:
    assets = with_assets(pair, peer, "a")
    (late,) = pair.source.create("/assets", {"externalId": "late", "name": "late"})
    pair.source.create("/events", {"externalId": "free"}, {"externalId": "x-linked", "assetIds": [assets["a"]]})
    pair.source.create("/events", {"externalId": "early", "assetIds": [late["id"]]})

    def copied(**options: Any) -> tuple[int, set[str]]:
        requests = peer.done(pair, "events", **options)
        found = pair.target.by_key("/events")
        for doc in found.values():
            pair.target.delete("/events", doc)
        return requests, set(found)

    assert copied(target_external_ids=["free", "nowhere"]) == (4, {"free"})
    assert copied(exclude_pattern="^x-") == (4, {"free", "early"})
    assert copied(skip_nonasset=True) == (4, {"x-linked", "early"})
    assert copied(skip_unlinkable=True) == (4, {"free", "x-linked"})


def test_time_series(pair: Pair, peer: Peer, edited_later: Callable[[], None]) -> None:
    assets = with_assets(pair, peer, "a")
    full = {
        "externalId": "full",
        "name": "n",
        "description": "d",
        "unit": "bar",
        "isString": False,
        "isStep": True,
        "metadata": {"k": "v"},
    }
    series = pair.source.create(
        "/timeseries",
        {**full, "assetId": assets["a"], "unitExternalId": "pressure:bar"},
        {"externalId": "text", "isString": True},
        *named(1001, "s"),
    )
    assert peer.done(pair, "time_series") == 2 + 1 + 1 + 2
    copies = copies_say(pair, "/timeseries")
    (anchor,) = pair.target.all("/assets")
    assert len(copies) == 1003
    assert {name: copies["full"][name] for name in (*full, "assetId")} == {**full, "assetId": anchor["id"]}
    assert "unitExternalId" not in copies["full"]
    assert copies["text"]["isString"]
    assert peer.done(pair, "time_series") == 2 + 2 + 1

    edited_later()
    pair.source.update("/timeseries", series[0], name={"set": "m"}, unit={"set": "Pa"}, metadata={"set": {"k": "w"}})
    assert peer.done(pair, "time_series") == 2 + 2 + 1 + 1
    assert copies_say(pair, "/timeseries")["full"] == {
        **copies["full"],
        "name": "m",
        "unit": "Pa",
        "metadata": {"k": "w"},
    }


def test_time_series_without_the_excluded_fields(pair: Pair, peer: Peer, edited_later: Callable[[], None]) -> None:
    with_assets(pair, peer, "a")
    (series,) = pair.source.create(
        "/timeseries", {"externalId": "s", "name": "n", "description": "d", "metadata": {"k": "v", "l": "v"}}
    )
    peer.done(pair, "time_series")
    edited_later()
    edit = {"set": {"k": "w", "l": "w"}}
    pair.source.update("/timeseries", series, name={"set": "m"}, description={"set": "e"}, metadata=edit)
    peer.done(pair, "time_series", exclude_fields=["name", "metadata.k"])
    copy = copies_say(pair, "/timeseries")["s"]
    assert (copy["name"], copy["description"], copy["metadata"]) == ("n", "e", {"k": "v", "l": "w"})


def test_files_are_three_without_content(pair: Pair, peer: Peer) -> None:
    assets = with_assets(pair, peer, "a")
    full = {"externalId": "full", "name": "full.pdf", "source": "s", "metadata": {"k": "v"}, "assetIds": [assets["a"]]}
    for doc in ({**full, "mimeType": "pdf", "directory": "/d"}, *named(2, "f", name="f.txt", mimeType="text/plain")):
        pair.source.call("POST", "/files", doc)
    assert peer.done(pair, "files") == 6
    copies = copies_say(pair, "/files")
    (anchor,) = pair.target.all("/assets")
    assert copies["full"] == {**full, "mimeType": "application/pdf", "assetIds": [anchor["id"]], "uploaded": False}
    assert copies["f0"] == {"externalId": "f0", "name": "f.txt", "mimeType": "text/plain", "metadata": {}, **EMPTY}
    assert peer.done(pair, "files") == 3


EMPTY = {"uploaded": False}


# -- sequences, relationships


def test_sequences_and_their_rows(pair: Pair, peer: Peer) -> None:
    assets = with_assets(pair, peer, "a")
    columns = [
        {"externalId": "number", "valueType": "DOUBLE", "name": "n", "description": "d", "metadata": {"k": "v"}},
        {"externalId": "text", "valueType": "STRING"},
    ]
    full = {"name": "n", "description": "d", "metadata": {"k": "v"}, "columns": columns, "assetId": assets["a"]}
    pair.source.create("/sequences", *named(2, "s", **full))
    assert peer.done(pair, "sequences", batch_size=10) == 2 + 1 + 1
    copies = copies_say(pair, "/sequences")
    (anchor,) = pair.target.all("/assets")
    assert {name: copies["s1"][name] for name in ("name", "description", "metadata", "assetId")} == {
        "name": "n",
        "description": "d",
        "metadata": {"k": "v"},
        "assetId": anchor["id"],
    }
    asked = ("externalId", "valueType", "name", "description")
    assert [[column.get(name) for name in asked] for column in copies["s1"]["columns"]] == [
        ["number", "DOUBLE", "n", "d"],
        ["text", "STRING", None, None],
    ]
    assert peer.done(pair, "sequences", batch_size=10) == 3

    rows = [{"rowNumber": n, "values": [n / 4, f"row {n}"]} for n in range(25_000)]
    for key in ("s0", "s1"):
        for start in range(0, len(rows), 10_000):
            chunk = {"externalId": key, "columns": ["number", "text"], "rows": rows[start : start + 10_000]}
            pair.source.call("POST", "/sequences/data", {"items": [chunk]})
    assert peer.done(pair, "sequence_rows", batch_size=2, num_threads=1) == 14
    for key in ("s0", "s1"):
        assert all_rows(pair.target, key) == rows


def all_rows(project: Project, external_id: str) -> list[Doc]:
    found: list[Doc] = []
    query: Doc = {"externalId": external_id, "start": 0, "limit": 10_000}
    while True:
        answer = project.call("POST", "/sequences/data/list", query)
        found += answer["rows"]
        if not answer.get("nextCursor"):
            return found
        query["cursor"] = answer["nextCursor"]


def test_relationships_into_an_empty_target(pair: Pair, peer: Peer) -> None:
    ends = {"sourceExternalId": "a", "sourceType": "asset", "targetExternalId": "b", "targetType": "event"}
    pair.source.create("/relationships", *named(1500, "r", startTime=1, endTime=2, confidence=0.5, **ends))
    assert peer.done(pair, "relationships") == 2 + 1 + 2
    copies = pair.target.by_key("/relationships")
    assert len(copies) == 1500
    assert said(copies["r7"]) == {"externalId": "r7", "startTime": 1, "endTime": 2, "confidence": 0.5, **ends}


# -- deletes


@pytest.mark.parametrize(("path", "module"), [("/assets", "assets"), ("/events", "events"), ("/files", "files")])
def test_deletes(pair: Pair, peer: Peer, path: str, module: str) -> None:
    def create(project: Project, *items: Doc) -> None:
        for item in items:
            project.call("POST", path, item if path == "/files" else {"items": [item]})

    fields = {} if path == "/events" else {"name": "x"}
    create(pair.source, *named(3, "k", **fields))
    peer.done(pair, module)
    create(pair.target, {"externalId": "foreign", **fields})
    pair.source.delete(path, pair.source.by_key(path)["k1"])
    peer.done(pair, module)
    assert set(pair.target.by_key(path)) == {"k0", "k1", "k2", "foreign"}
    peer.done(pair, module, delete_replicated_if_not_in_src=True)
    assert set(pair.target.by_key(path)) == {"k0", "k2", "foreign"}
    peer.done(pair, module, delete_not_replicated_in_dst=True)
    assert set(pair.target.by_key(path)) == {"k0", "k2"}
