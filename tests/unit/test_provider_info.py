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

from airflow_provider_replicator.cdf.http.connection import EXTRAS, read_connection
from airflow_provider_replicator.provider_info import get_provider_info

INFO = get_provider_info()
CDF = INFO["connection-types"][0]


def schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(resources.files("airflow").joinpath(name).read_text())
    return document


def test_it_is_what_airflow_expects() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))
    jsonschema.validate(INFO["connection-types"], schema("provider.yaml.schema.json")["properties"]["connection-types"])
    form = {name.replace("-", "_"): value for name, value in CDF["ui-field-behaviour"].items()}
    jsonschema.validate(form, schema("customized_form_field_behaviours.schema.json"))


def test_every_module_that_it_names_exists() -> None:
    named = {module for kind in ("hooks", "operators") for entry in INFO[kind] for module in entry["python-modules"]}
    assert named == {"airflow_provider_replicator.hooks.cdf", "airflow_provider_replicator.operators.cdf"}
    for module in named:
        importlib.import_module(module)
    integrations = {entry["integration-name"] for entry in INFO["integrations"]}
    assert {entry["integration-name"] for kind in ("hooks", "operators") for entry in INFO[kind]} <= integrations


def test_the_hook_says_the_same() -> None:
    module, _, name = CDF["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (CDF["connection-type"], CDF["hook-name"])
    # these would make Airflow import the hook to draw the form
    assert not {"get_connection_form_widgets", "get_ui_field_behaviour"} & set(vars(hook))


def test_the_form_has_just_the_extras_that_are_read() -> None:
    assert list(CDF["conn-fields"]) == list(EXTRAS)


def test_only_the_project_must_be_filled_in() -> None:
    required = [name for name, field in CDF["conn-fields"].items() if "null" not in field["schema"]["type"]]
    assert required == ["project"]


def test_every_choice_of_the_form_is_accepted() -> None:
    for name, field in CDF["conn-fields"].items():
        for choice in field["schema"].get("enum", ()):
            read_connection("c", host="https://cdf.example", extra={"project": "p", "token": "t", name: choice})


def _hides(name: str) -> bool:
    from airflow.sdk._shared.secrets_masker import redact

    return redact({name: "x"}) == {name: "***"}


def test_airflow_masks_what_is_secret() -> None:
    secret = [name for name, field in CDF["conn-fields"].items() if field["schema"].get("format") == "password"]
    assert secret == ["token"]
    assert all(_hides(name) for name in [*secret, "password"])


def test_reading_it_imports_no_airflow() -> None:
    script = (
        "import sys; from airflow_provider_replicator.provider_info import get_provider_info as info; info();"
        "print([m for m in sys.modules if m.partition('.')[0] in ('airflow', 'aiohttp', 'cognite')])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
