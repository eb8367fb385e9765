# SPDX-License-Identifier: Apache-2.0
"""What the documentation says about snapshots is so."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.snapshots.options import SnapshotOptions
from tests.lake.snapshots.making import manifest, numbers, run, write

if TYPE_CHECKING:
    from airflow_provider_replicator.lake.location import Lake

TEXT = (
    (Path(__file__).parents[3] / "docs" / "delta-lake.md")
    .read_text()
    .partition("\n## Snapshots\n")[2]
    .partition("\n## ")[0]
)


def test_following_the_manifest(local_lake: Lake) -> None:
    write(local_lake, "resources/events", numbers(3))
    write(local_lake, "resources/assets", numbers(2))
    run(local_lake, ["resources/*"], "plant")
    [code] = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "manifest" in block]
    names: dict[str, Any] = {"lake": local_lake}
    exec(code, names)  # noqa: S102 - our own documentation
    assert {name: frame.height for name, frame in names["frames"].items()} == {"assets": 2, "events": 3}


def test_every_field_of_the_manifest_and_every_option_is_documented(local_lake: Lake) -> None:
    write(local_lake, "resources/events", numbers(3))
    run(local_lake, ["resources/*"])
    found = manifest(local_lake)
    table = found["tables"]["events"]
    said = {*found, *table["files"]["parquet"], *table["columns"][0]} - {"format", "tables", "list"}
    assert {word for word in said if f"`{word}`" not in TEXT} == set()
    options = {option.name for option in fields(SnapshotOptions)} - {"lease_seconds"}
    assert {word for word in options if f"`{word}" not in TEXT} == set()
    assert f"{SnapshotOptions().lease_seconds:g} seconds" in TEXT
    assert f"`keep_versions` ({SnapshotOptions().keep_versions})" in TEXT
