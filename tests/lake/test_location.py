# SPDX-License-Identifier: Apache-2.0
"""Names of spaces, views and raw tables as parts of paths: the key of an object is the path, whoever writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_replicator.lake.columns import Column, TableSchema
from airflow_provider_replicator.lake.location import Lake, path_part
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = TableSchema(columns=(Column(name="id", kind="int64"),))


@pytest.mark.parametrize(
    "name", ["plain", "a/b", "a b", "50 %", "100%25", "!2F", "~", "æ ø #?&", "..", ".", "x.y", "-_", "*"]
)
def test_any_name_is_one_part_of_a_path_and_the_same_for_tables_and_objects(tmp_path: Path, name: str) -> None:
    lake = Lake(f"file://{tmp_path}")
    path = f"raw/{path_part(name)}/{path_part(name)}"

    table = Table(lake, path)
    table.prepare(SCHEMA)
    lake.objects().put(f"{path}/_beside/x.json", b"{}")

    assert table.open() is not None
    assert sorted(found.name for found in (tmp_path / path).iterdir()) == ["_beside", "_delta_log"]
    assert [found.name for found in (tmp_path / "raw").iterdir()] == [path_part(name)]
    assert lake.objects().get(f"{path}/_delta_log/00000000000000000000.json") is not None


def test_different_names_are_different_parts() -> None:
    names = ["a/b", "a%2Fb", "a!2Fb", "..", "!2E!2E", ".", "a b", "a+b", "A", "a"]
    assert len({path_part(name) for name in names}) == len(names)
