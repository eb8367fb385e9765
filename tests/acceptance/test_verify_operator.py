# SPDX-License-Identifier: Apache-2.0
"""The operator's arguments reach the verification, as values and as what templates render to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import ConfigurationError, VerificationError
from airflow_provider_replicator.operators.cdf import CdfVerifyReplicationOperator

if TYPE_CHECKING:
    from tests.acceptance.projects import Pair


def verify(pair: Pair, **arguments: Any) -> dict[str, Any]:
    operator = CdfVerifyReplicationOperator(
        task_id="verify", source_conn_id="source", target_conn_id="target", **arguments
    )
    engine = operator._prepared({})

    async def program(source: Any, target: Any) -> Any:
        return await engine(source, target)

    report: dict[str, Any] = pair.run(program)
    return report


@pytest.mark.parametrize(
    "skips",
    [
        {"skip_unlinkable": True, "skip_nonasset": True, "on_conflict": "skip"},
        {"skip_unlinkable": "True", "skip_nonasset": "true", "on_conflict": "skip"},
    ],
)
def test_what_was_left_out_is_named_like_in_the_replication(pair: Pair, skips: dict[str, Any]) -> None:
    asset = pair.source.create("/assets", {"externalId": "a", "name": "a"})[0]
    pair.source.create("/events", {"externalId": "with", "assetIds": [asset["id"]]}, {"externalId": "without"})
    report = verify(pair, resource_types="events", **skips)
    assert report["resources"]["events"]["left_out"] == {"nonasset": 1, "unlinkable": 1}
    with pytest.raises(VerificationError):
        verify(pair, resource_types="events")


def test_as_of_is_a_moment(pair: Pair) -> None:
    event = pair.source.create("/events", {"externalId": "e"})[0]
    changed = event["lastUpdatedTime"]
    assert verify(pair, resource_types=["events"], as_of=changed)["resources"]["events"]["left_out"] == {
        "changed_since": 1
    }
    assert verify(pair, resource_types=["events"], as_of="2020-01-01T00:00:00Z")["resources"]["events"]["source"] == 0
    for later in (changed + 1, "2090-01-01", "", None, "None"):
        with pytest.raises(VerificationError):
            verify(pair, resource_types=["events"], as_of=later)


def test_values_that_mean_nothing_are_refused(pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="on_conflict"):
        verify(pair, resource_types="events", on_conflict="ignore")
    with pytest.raises(ConfigurationError, match="as_of"):
        verify(pair, resource_types="events", as_of="yesterday")
