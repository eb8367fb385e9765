# SPDX-License-Identifier: Apache-2.0
"""Requests made up from the vendor's OpenAPI document: whatever is asked, no answer is a 500 or breaks the document.

Bounded to about a minute; ``-m soak`` asks a hundred times as often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.sandbox import contract

if not contract.DOCUMENT.exists():
    pytest.skip("the vendor's document is not here", allow_module_level=True)

NOT_SERVED = ("/token",)
CHECKS = [not_a_server_error, response_schema_conformance]
OPERATIONS: dict[str, Any] = {}
for found in schemathesis.openapi.from_dict(contract.document()).get_all_operations():
    assert isinstance(found, Ok), found
    operation = found.ok()
    if not operation.path.startswith(NOT_SERVED):
        OPERATIONS[f"{operation.method.upper()} {operation.path}"] = operation


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def ask(sandbox: RunningSandbox, session: requests.Session, name: str, *, examples: int, mode: GenerationMode) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 100,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(OPERATIONS[name].as_strategy(generation_mode=mode))
    def answers_as_documented(case: Any) -> None:
        base_url = f"{sandbox.base_url}/api/v1/projects/source"
        headers = {"authorization": f"Bearer {sandbox.token}"}
        case.call_and_validate(base_url=base_url, session=session, headers=headers, checks=CHECKS)

    answers_as_documented()


@pytest.mark.parametrize("name", OPERATIONS)
def test_good_requests(sandbox: RunningSandbox, session: requests.Session, name: str) -> None:
    ask(sandbox, session, name, examples=5, mode=GenerationMode.POSITIVE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_bad_requests(sandbox: RunningSandbox, session: requests.Session, name: str) -> None:
    ask(sandbox, session, name, examples=5, mode=GenerationMode.NEGATIVE)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", OPERATIONS)
def test_many_requests(sandbox: RunningSandbox, session: requests.Session, name: str, mode: GenerationMode) -> None:
    ask(sandbox, session, name, examples=500, mode=mode)
