# SPDX-License-Identifier: Apache-2.0
"""What Airflow is told, held against Airflow's own schemas and against what there is."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib import resources
from typing import Any

import jsonschema
import pytest

from airflow_provider_replicator.cdf.http import connection as cdf
from airflow_provider_replicator.core.fields import read_extra
from airflow_provider_replicator.couchdb import fields as couchdb
from airflow_provider_replicator.lake import connection as delta_lake
from airflow_provider_replicator.provider_info import get_provider_info

INFO = get_provider_info()
CONNECTIONS = {connection["connection-type"]: connection for connection in INFO["connection-types"]}
EXTRAS = {"cdf": cdf.EXTRAS, "delta_lake_s3": delta_lake.EXTRAS, "couchdb": couchdb.EXTRAS}
KINDS = ("hooks", "operators", "sensors", "triggers")
MODULES = (
    "hooks.cdf",
    "hooks.cloudant",
    "hooks.delta_lake",
    "operators.cdf",
    "operators.cloudant",
    "operators.delta_lake",
    "sensors.cloudant",
    "triggers.cloudant",
)
_STANDARD = {"host", "schema", "login", "password", "port", "extra"}
each_connection = pytest.mark.parametrize("kind", CONNECTIONS)


def fields(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = CONNECTIONS[kind]["conn-fields"]
    return found


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(resources.files("airflow").joinpath(name).read_text())
    return document


def test_it_is_what_airflow_expects() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))
    jsonschema.validate(INFO["connection-types"], schema("provider.yaml.schema.json")["properties"]["connection-types"])
    for connection in CONNECTIONS.values():
        form = {name.replace("-", "_"): value for name, value in connection["ui-field-behaviour"].items()}
        jsonschema.validate(form, schema("customized_form_field_behaviours.schema.json"))


def test_every_module_that_it_names_exists() -> None:
    entries = [entry for kind in KINDS for entry in INFO[kind]]
    named = {module for entry in entries for module in entry["python-modules"]}
    assert named == {f"airflow_provider_replicator.{module}" for module in MODULES}
    for module in named:
        importlib.import_module(module)
    assert {entry["integration-name"] for entry in entries} <= {
        entry["integration-name"] for entry in INFO["integrations"]
    }


def test_every_link_that_it_names_exists() -> None:
    for path in INFO["extra-links"]:
        module, _, name = path.rpartition(".")
        link = getattr(importlib.import_module(module), name)()
        assert (link.name, link.xcom_key) == (link.name.capitalize(), f"_link_{name}")


@each_connection
def test_the_hook_says_the_same(kind: str) -> None:
    connection = CONNECTIONS[kind]
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (kind, connection["hook-name"])
    # these would make Airflow import the hook to draw the form
    assert not {"get_connection_form_widgets", "get_ui_field_behaviour"} & set(vars(hook))


@each_connection
def test_the_form_has_just_the_extras_that_are_read(kind: str) -> None:
    assert list(fields(kind)) == list(EXTRAS[kind])
    assert set(CONNECTIONS[kind]["ui-field-behaviour"]["placeholders"]) <= {*fields(kind), *_STANDARD}


@pytest.mark.parametrize(("kind", "needed"), [("cdf", ["project"]), ("delta_lake_s3", ["bucket"]), ("couchdb", [])])
def test_no_more_fields_must_be_filled_in_than_needed(kind: str, needed: list[str]) -> None:
    assert [name for name, field in fields(kind).items() if "null" not in field["schema"]["type"]] == needed


def test_every_choice_of_the_form_is_accepted() -> None:
    for name, field in fields("cdf").items():
        for choice in field["schema"].get("enum", ()):
            cdf.read_connection("c", host="https://cdf.example", extra={"project": "p", "token": "t", name: choice})
    for name, field in fields("couchdb").items():
        for choice in field["schema"].get("enum", ()):
            assert choice is None or read_extra({name: choice}, couchdb.EXTRAS) == {name: choice}


def _hides(name: str) -> bool:
    from airflow.sdk._shared.secrets_masker import redact

    return redact({name: "x"}) == {name: "***"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("cdf", ["token"]), ("delta_lake_s3", ["session_token"]), ("couchdb", ["iam_apikey", "bearer_token"])],
)
def test_airflow_masks_what_is_secret(kind: str, expected: list[str]) -> None:
    secret = [name for name, field in fields(kind).items() if field["schema"].get("format") == "password"]
    assert secret == expected
    assert all(_hides(name) for name in [*secret, "password"])


def test_reading_it_imports_no_airflow() -> None:
    script = (
        "import sys; from airflow_provider_replicator.provider_info import get_provider_info as info; info();"
        "print([m for m in sys.modules if m.partition('.')[0] in ('airflow', 'aiohttp', 'cognite')])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
