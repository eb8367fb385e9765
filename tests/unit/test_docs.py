# SPDX-License-Identifier: Apache-2.0
"""The documentation names everything a user can say, and nothing it names is missing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from airflow_provider_replicator.cdf.http.connection import EXTRAS
from airflow_provider_replicator.core.report import Report
from airflow_provider_replicator.couchdb import fields as couchdb
from airflow_provider_replicator.couchdb.jobs.states import State
from airflow_provider_replicator.lake import connection as lake
from airflow_provider_replicator.operators import cdf as operators
from airflow_provider_replicator.operators import cloudant
from airflow_provider_replicator.provider_info import get_provider_info
from airflow_provider_replicator.sensors import cloudant as sensors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: Without what writes Delta tables, which is described with those.
CLOUDANT: list[type] = [
    *(kind for name in cloudant.__all__ if "delta_lake" not in (kind := getattr(cloudant, name)).__module__),
    *(getattr(sensors, name) for name in sensors.__all__),
]


def own_parameters(operator: type) -> set[str]:
    """Arguments that classes of this package declare, not those of Airflow."""
    names: set[str] = set()
    for kind in operator.__mro__:
        if kind.__module__.startswith("airflow_provider_replicator") and "__init__" in vars(kind):
            names |= set(inspect.signature(kind.__init__).parameters)  # type: ignore[misc]
    return names - {"self", "kwargs", "outlets"}


@pytest.mark.parametrize("name", operators.__all__)
def test_every_operator_and_argument_is_documented(name: str) -> None:
    text = (DOCS / "operators.md").read_text()
    assert f"`{name}`" in text
    assert {word for word in own_parameters(getattr(operators, name)) if f"`{word}`" not in text} == set()


@pytest.mark.parametrize("kind", CLOUDANT)
def test_every_operator_and_sensor_for_cloudant_is_documented(kind: type) -> None:
    text = (DOCS / "cloudant.md").read_text()
    assert f"`{kind.__name__}`" in text
    assert {word for word in own_parameters(kind) if f"`{word}`" not in text} == set()


def test_every_state_of_a_replication_is_documented() -> None:
    text = (DOCS / "cloudant.md").read_text()
    assert [state for state in get_args(State) if f"| `{state}` |" not in text] == []


def test_readme_names_every_operator() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for module in (operators, cloudant, sensors) for name in module.__all__ if name not in text] == []


@pytest.mark.parametrize(("number", "extras"), [(0, EXTRAS), (1, lake.EXTRAS), (2, couchdb.EXTRAS)])
def test_every_field_of_the_connections_is_documented(number: int, extras: Mapping[str, object]) -> None:
    text = (DOCS / "connection.md").read_text()
    fields = set(get_provider_info()["connection-types"][number]["conn-fields"])
    assert fields == set(extras)
    assert {field for field in fields if f"`{field}`" not in text} == set()


def test_every_field_of_the_report_is_documented() -> None:
    text = (DOCS / "operators.md").read_text()
    fields = Report("assets", "source", "target", "full").as_dict()
    assert {field for field in fields if not re.search(rf"`{field}\b", text)} == set()


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (document, link)
        for document in [*DOCS.glob("*.md"), *ROOT.glob("*.md")]
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    ]
    assert links
    assert [f"{document.name}: {link}" for document, link in links if not (document.parent / link).exists()] == []


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for document in [*DOCS.glob("*.md"), *ROOT.glob("*.md")]:
        named |= set(re.findall(r"`make ([a-z-]+)", document.read_text()))
    assert named
    assert named <= targets
