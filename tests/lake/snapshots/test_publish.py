# SPDX-License-Identifier: Apache-2.0
"""What a snapshot holds, on S3 and in a folder."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from airflow_provider_replicator.exceptions import (
    ConfigurationError,
    LakeConflictError,
    LakeError,
    LakeUnavailableError,
)
from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.instances.schema import system_columns
from airflow_provider_replicator.lake.snapshots.pins import content, pinned
from airflow_provider_replicator.lake.table import Table
from tests.lake.snapshots.making import (
    NODES,
    everything,
    manifest,
    node,
    numbers,
    read,
    run,
    stable,
    versioned,
    write,
    write_instances,
)

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake

CONTENT = "airflow_provider_replicator.lake.snapshots.parquet.content"
NODE_TABLE = "instances/plant/Pump/v1/nodes"


@pytest.fixture(params=["local_lake", "s3_lake"])
def lake(request: pytest.FixtureRequest) -> Lake:
    made: Lake = request.getfixturevalue(request.param)
    return made


def test_stable_and_versioned_files_and_the_manifest_agree(lake: Lake) -> None:
    version = write(lake, "resources/events", numbers(5))
    write(lake, "raw/db/t", numbers(3))
    report = run(lake, ["resources/events", "raw/*/*"])
    found = manifest(lake)
    assert list(found["tables"]) == ["events", "db.t"]
    events = found["tables"]["events"]
    assert (events["source"], events["version"], events["rows"]) == ("resources/events", version, 5)
    assert [(column["name"], column["type"]) for column in events["columns"]] == [("key", "text"), ("number", "int64")]
    file = events["files"]["parquet"]
    assert file["key"] == "publish/all/events.parquet"
    assert file["versioned_key"] == f"publish/all/versions/{found['run']}/events.parquet"
    objects = lake.objects()
    for key in (file["key"], file["versioned_key"]):
        content = objects.get(key)
        assert content is not None
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    assert sorted(stable(lake, "events").rows()) == [(f"k{number}", number) for number in range(5)]
    assert set(everything(lake)) == {
        "publish/all/manifest.json",
        *(f"publish/all/{table}.parquet" for table in found["tables"]),
        *(f"publish/all/versions/{found['run']}/{table}.parquet" for table in found["tables"]),
    }
    counts = report.as_dict()
    assert (counts["read"], counts["written"], counts["run"], counts["table_count"]) == (8, 8, found["run"], 2)
    assert counts["tables"][0] == {
        "table": "resources/events", "name": "events", "rows": 5, "bytes": file["bytes"], "version": version,
    }  # fmt: skip


def test_what_changes_after_the_moment_was_taken_is_not_in_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lake, "resources/a", numbers(3))
    write(lake, "resources/b", numbers(3))

    def late(*given: Any) -> Any:
        write(lake, "resources/b", numbers(9))
        return content(*given)

    monkeypatch.setattr(CONTENT, late)
    run(lake, ["resources/a", "resources/b"])
    assert (versioned(lake, "a").height, versioned(lake, "b").height) == (3, 3)
    monkeypatch.undo()
    run(lake, ["resources/a", "resources/b"])
    assert (stable(lake, "a").height, stable(lake, "b").height) == (3, 9)


def test_all_tables_were_the_newest_at_the_same_time(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that always writes both, between two looks: never one table with and one without."""
    write(local_lake, "resources/a", numbers(1))
    write(local_lake, "resources/b", numbers(1))
    looked: list[str] = []

    def slow(lake: Lake, path: str, name: str) -> Any:
        if path.endswith("b"):
            while not looked:  # b is looked at after a, and after both have changed
                time.sleep(0.01)
            return pinned(lake, path, name)
        pin = pinned(lake, path, name)
        if not looked:
            write(local_lake, "resources/a", numbers(2))
            write(local_lake, "resources/b", numbers(2))
        looked.append(path)
        return pin

    monkeypatch.setattr("airflow_provider_replicator.lake.snapshots.publish.pinned", slow)
    run(local_lake, ["resources/a", "resources/b"])
    assert len(looked) == 3
    assert (versioned(local_lake, "a").height, versioned(local_lake, "b").height) == (2, 2)


@pytest.mark.parametrize("kept", [0, 8])
def test_waiting_changes_are_current_and_tombstones_and_ties_are_not_seen(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Old flaws 10 and 11: rows delivered twice were published twice, and tombstones were rows."""
    monkeypatch.setattr("airflow_provider_replicator.lake.snapshots.publish._KEPT_OPEN", kept)
    deleted = {"_deletedTime": 1_700_000_000_001}
    write_instances(
        lake,
        NODE_TABLE,
        [node("a", "old"), node("b", "old"), node("c", "old"), node("b", "elsewhere", space="other")],
        [
            [node("x", "merged long ago")],
            [node("a", "new"), node("a", "new"), node("b", None, **deleted), node("d", "new")],  # type: ignore[arg-type]
            [node("d", None, **deleted), node("d", "created anew"), node("a", "newest"), node("a", "newest")],  # type: ignore[arg-type]
        ],
        merged=1,
    )
    report = run(lake, [NODE_TABLE])
    seen = versioned(lake, "plant.Pump.v1.nodes")
    assert sorted(seen.select("_space", "_externalId", "name").rows()) == [
        ("other", "b", "elsewhere"),
        ("plant", "a", "newest"),
        ("plant", "c", "old"),
        ("plant", "d", "created anew"),
    ]
    assert not {"_deletedTime", "_batch", "_order"} & set(seen.columns)
    assert report.written == 4
    assert manifest(lake)["tables"]["plant.Pump.v1.nodes"]["changes_version"] is not None


def test_more_instances_than_one_statement_of_a_database_takes(local_lake: Lake) -> None:
    """Old flaw 10: a file with more than 125 000 keys, as a compaction makes them, could not be published at all."""
    count = 140_000
    later = [node("0", "new"), node("1", "", _deletedTime=1_700_000_000_001), node("0", "new")]
    write_instances(local_lake, NODE_TABLE, [node(str(key), "old") for key in range(count)], [later])
    assert run(local_lake, [NODE_TABLE]).written == count - 1
    seen = stable(local_lake, "plant.Pump.v1.nodes")
    assert (seen.height, seen["_externalId"].n_unique()) == (count - 1, count - 1)
    assert seen.filter(pl.col("name") == "new")["_externalId"].to_list() == ["0"]


def test_edges_are_published_under_their_view_and_under_their_space(local_lake: Lake) -> None:
    """Old flaw 9: edges were stored under their type and looked for under their view, so none was published."""
    schema = TableSchema(columns=(*system_columns("edges"), Column(name="weight", kind="float64")))
    ends = {"_startNode": {"space": "s", "externalId": "1"}, "_endNode": {"space": "s", "externalId": "2"}}
    edge = {**node("e", ""), **ends, "_type": {"space": "s", "externalId": "acts-in"}, "weight": 0.5}
    for path in ("instances/plant/Acts/v1/edges", "instances/_edges/plant"):
        write_instances(local_lake, path, [], [[edge]], schema=schema)
    run(local_lake, ["instances/*/*/*/*", "instances/*/*"])
    assert list(manifest(local_lake)["tables"]) == ["plant.Acts.v1.edges", "edges.plant"]
    for table in manifest(local_lake)["tables"]:
        assert stable(local_lake, table).select("_startNode.externalId", "_endNode.externalId", "weight").rows() == [
            ("1", "2", 0.5)
        ]


def test_a_first_load_on_its_way_is_no_snapshot(local_lake: Lake) -> None:
    write_instances(local_lake, NODE_TABLE, [node("a", "x")], phase="load")
    with pytest.raises(LakeUnavailableError, match="is being loaded"):
        run(local_lake, [NODE_TABLE])
    assert everything(local_lake) == {}


def test_an_error_while_reading_leaves_the_previous_snapshot(lake: Lake) -> None:
    """Old flaw 11: an error replaced a good file by an empty one."""
    for name in ("a", "b", "c"):
        write(lake, f"resources/{name}", numbers(5))
    run(lake, ["resources/*"])
    before = everything(lake)
    for name in ("a", "b", "c"):
        write(lake, f"resources/{name}", numbers(7))
    handle = Table(lake, "resources/b").open()
    assert handle is not None
    lake.objects().delete(
        [uri.removeprefix(f"{lake.root}/").removeprefix(lake.prefix + "/") for uri in handle.file_uris()]
    )
    with pytest.raises(LakeError, match="resources/b"):
        run(lake, ["resources/*"])
    assert everything(lake) == before
    assert stable(lake, "b").height == 5


@pytest.mark.parametrize("log", [None, b"{", b'{"protocol": {"minReaderVersion": 99, "minWriterVersion": 99}}'])
def test_a_table_that_cannot_be_opened_leaves_the_previous_snapshot(lake: Lake, log: bytes | None) -> None:
    """Old flaw 11: where the log was gone, or of a version that could not be read, an empty file took the place of the good one."""
    for name in ("a", "b"):
        write(lake, f"resources/{name}", numbers(5))
    run(lake, ["resources/a", "resources/b"])
    before = everything(lake)
    write(lake, "resources/a", numbers(7))
    objects = lake.objects()
    logs = [found.key for found in objects.list("resources/b/_delta_log/")]
    if log is None:
        objects.delete(logs)
    else:
        objects.put(max(logs), log)
    with pytest.raises((LakeError, ConfigurationError), match="resources/b"):
        run(lake, ["resources/a", "resources/b"])
    assert everything(lake) == before


def test_rows_that_go_missing_are_an_error(local_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old flaw 20: nothing was counted, so nothing was missed."""
    write(local_lake, "resources/a", numbers(5))
    scan = pl.scan_delta
    monkeypatch.setattr(pl, "scan_delta", lambda *given, **more: scan(*given, **more).head(4))
    with pytest.raises(LakeError, match="resources/a: 4 rows were read, but version 1 has 5"):
        run(local_lake, ["resources/a"])
    assert everything(local_lake) == {}


def test_old_versions_are_kept_for_some_runs_and_then_removed(lake: Lake) -> None:
    runs = []
    for number in range(5):
        write(lake, "resources/a", numbers(number + 1))
        runs.append(run(lake, ["resources/a"], keep_versions=2).run)
    assert manifest(lake)["history"] == [runs[3], runs[2]]
    versions = [key for key in everything(lake) if "/versions/" in key]
    assert sorted(versions) == sorted(f"publish/all/versions/{one}/a.parquet" for one in runs[2:])
    assert read(lake, f"publish/all/versions/{runs[2]}/a.parquet").height == 3
    assert run(lake, ["resources/a"], keep_versions=0).deleted == 3
    assert len([key for key in everything(lake) if "/versions/" in key]) == 1


def test_a_table_that_leaves_the_snapshot_is_retired(lake: Lake) -> None:
    """Old flaw 21: files of removed views stayed, and went stale."""
    for name in ("a", "b"):
        write(lake, f"resources/{name}", numbers(2))
    run(lake, ["resources/*"])
    run(lake, ["resources/a"])
    assert [key for key in everything(lake) if "/versions/" not in key] == [
        "publish/all/a.parquet",
        "publish/all/manifest.json",
    ]
    assert list(manifest(lake)["tables"]) == ["a"]


def test_the_same_view_in_two_spaces_and_versions_is_three_tables(local_lake: Lake) -> None:
    """Old flaw 21: neither the view's space nor its version was in the key."""
    for number, view in enumerate(("one/Pump/v1", "two/Pump/v1", "one/Pump/v2"), 1):
        write_instances(local_lake, f"instances/{view}/nodes", [node(str(key), "x") for key in range(number)])
    run(local_lake, ["instances/*/*/*/nodes"])
    assert {name: stable(local_lake, name).height for name in manifest(local_lake)["tables"]} == {
        "one.Pump.v1.nodes": 1,
        "one.Pump.v2.nodes": 3,
        "two.Pump.v1.nodes": 2,
    }


def test_unchanged_tables_are_copied_within_the_lake(lake: Lake) -> None:
    write(lake, "resources/a", numbers(4))
    write(lake, "resources/b", numbers(4))
    run(lake, ["resources/*"])
    write(lake, "resources/b", numbers(6))
    report = run(lake, ["resources/*"])
    assert (report.unchanged, report.read, report.written) == (1, 6, 10)
    assert (versioned(lake, "a").height, versioned(lake, "b").height) == (4, 6)
    assert run(lake, ["resources/*"], reuse_unchanged=False).unchanged == 0
    assert run(lake, ["resources/*"], names="property").unchanged == 0
    assert run(lake, {"resources/a": "b", "resources/b": "a"}, names="property").unchanged == 0
    assert (versioned(lake, "b").height, versioned(lake, "a").height) == (4, 6)


def test_a_table_that_was_made_anew_is_not_taken_for_the_old_one(local_lake: Lake) -> None:
    write(local_lake, "resources/a", numbers(4))
    run(local_lake, ["resources/a"])
    objects = local_lake.objects()
    objects.delete([found.key for found in objects.list("resources/a/")])
    write(local_lake, "resources/a", numbers(2))
    assert run(local_lake, ["resources/a"]).unchanged == 0
    assert stable(local_lake, "a").height == 2


def test_missing_tables(lake: Lake) -> None:
    write(lake, "resources/a", numbers(1))
    with pytest.raises(ConfigurationError, match=r"there is no table resources/b below .*missing_ok=True"):
        run(lake, ["resources/a", "resources/b"])
    with pytest.raises(ConfigurationError, match=r"there is no table 'raw/\*/\*'"):
        run(lake, ["resources/a", "raw/*/*"])
    assert everything(lake) == {}
    run(lake, ["resources/a", "resources/b", "raw/*/*", "instances/a/b/v1/nodes"], missing_ok=True)
    assert list(manifest(lake)["tables"]) == ["a"]


def test_a_table_that_has_vanished_takes_no_published_file_with_it(lake: Lake) -> None:
    """Tables that are not there yet may be missing. One that was there is another matter."""
    tables = ["resources/a", "resources/b", "resources/c"]
    for table in tables[:2]:
        write(lake, table, numbers(2))
    run(lake, tables, missing_ok=True)
    before = everything(lake)
    lake.objects().delete([found.key for found in lake.objects().list("resources/b/")])
    with pytest.raises(ConfigurationError, match=r"resources/b: in the last snapshot, .* take them out of tables"):
        run(lake, tables, missing_ok=True)
    assert everything(lake) == before
    run(lake, ["resources/*"], missing_ok=True)  # whatever is there; some stores keep the empty folder
    assert list(manifest(lake)["tables"]) == ["a"]
    assert "publish/all/b.parquet" not in everything(lake)


def test_a_snapshot_of_nothing_yet(local_lake: Lake) -> None:
    run(local_lake, ["resources/a"], missing_ok=True)
    assert manifest(local_lake)["tables"] == {}


def test_a_foreign_manifest_is_not_overwritten(local_lake: Lake) -> None:
    write(local_lake, "resources/a", numbers(1))
    local_lake.objects().put("publish/all/manifest.json", b"[1]")
    with pytest.raises(LakeError, match=r"publish/all/manifest.json is no manifest"):
        run(local_lake, ["resources/a"])
    assert everything(local_lake) == {"publish/all/manifest.json": b"[1]"}


def test_a_snapshot_that_was_overtaken_gives_up(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow to read, while another run reads a newer version and publishes it."""
    write(lake, "resources/a", numbers(1))
    write(lake, "resources/b", numbers(1))
    others: list[Any] = []

    def slow(*given: Any) -> Any:
        if not others:
            others.append(None)
            write(lake, "resources/a", numbers(2))
            others.append(_elsewhere(lake, ["resources/a"]))
        return content(*given)

    monkeypatch.setattr(CONTENT, slow)
    with pytest.raises(LakeConflictError, match="has meanwhile published a newer version of a"):
        run(lake, ["resources/a", "resources/b"])
    found = manifest(lake)
    assert found["run"] == others[1].run
    assert stable(lake, "a").height == 2
    assert set(everything(lake)) == {
        "publish/all/manifest.json",
        "publish/all/a.parquet",
        f"publish/all/versions/{found['run']}/a.parquet",
    }


def _elsewhere(lake: Lake, tables: list[str]) -> Any:
    """In another thread: this one may have a loop."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run, lake, tables).result()


def test_names_of_tables_and_snapshots_are_checked(local_lake: Lake) -> None:
    write(local_lake, "resources/a", numbers(1))
    write(local_lake, "raw/x/a", numbers(1))
    write(local_lake, "raw/x/A", numbers(1))
    for wrong, message in (
        ({"resources/a": "x", "raw/x/a": "X"}, r"both be published as 'X'.*tables=\{'raw/x/a': 'another-name'"),
        (["raw/x/*"], "both be published"),
        ({"resources/a": "x/y"}, "the name of a table, 'x/y': write letters"),
        ({"resources/*": "x"}, "may be several tables"),
        ([], "tables is empty"),
        (["publish/all"], "is a snapshot, not a table"),
        (["../x"], "is no path below"),
        (["resources//a"], "is no path below"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            run(local_lake, wrong)
    with pytest.raises(ConfigurationError, match=r"the snapshot's name, 'a/b'"):
        run(local_lake, ["resources/a"], name="a/b")
    run(local_lake, {"resources/a": "same", "raw/x/[a]": None})
    assert list(manifest(local_lake)["tables"]) == ["same", "x.a"]


def test_the_schema_of_an_empty_table_is_whole(lake: Lake) -> None:
    Table(lake, "resources/e").prepare(NODES)
    run(lake, ["resources/e"])
    empty = stable(lake, "e")
    write(lake, "resources/e", [node("a", "x")], NODES)
    run(lake, ["resources/e"])
    assert (empty.height, stable(lake, "e").height) == (0, 1)
    assert empty.schema == stable(lake, "e").schema
