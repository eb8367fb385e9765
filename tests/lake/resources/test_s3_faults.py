# SPDX-License-Identifier: Apache-2.0
"""S3 that fails: what passes is not noticed, a lost answer to a commit is no second commit, an error leaves what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.exceptions import LakeUnavailableError
from tests.lake.resources.exports import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.lake.location import Lake
    from tests.lake.faulty_s3 import FaultyS3
    from tests.lake.resources.exports import Exports

COMMIT = r"PUT .*/_delta_log/\d+\.json"
WINDOW = {"window": (0, 4_000_000_000_000)}


@pytest.mark.parametrize("run", [{}, WINDOW])
@pytest.mark.parametrize(("what", "kind"), [(COMMIT, "lose"), (COMMIT, "error"), ("PUT .*parquet", "cut")])
def test_a_fault_that_passes_is_not_noticed(
    exports_to: Callable[[Lake], Exports],
    faulty_lake: Lake,
    faulty_s3: FaultyS3,
    run: dict[str, Any],
    what: str,
    kind: Any,
) -> None:
    exports = exports_to(faulty_lake)
    made = exports.project.create("/events", *(event(number) for number in range(20)))
    exports.export("events", **run)
    exports.project.update("/events", made[0], description={"set": "x"})
    exports.project.create("/events", event(20))
    fault = faulty_s3.fault(what, kind)
    report = exports.export("events", **run)
    rows = exports.by("externalId", "events")
    assert (fault.happened, len(rows), rows["e0"]["description"], report.written) == (1, 21, "x", 21)


@pytest.mark.parametrize("run", [{}, WINDOW])
def test_credentials_that_expire_in_mid_run(
    exports_to: Callable[[Lake], Exports], faulty_lake: Lake, faulty_s3: FaultyS3, run: dict[str, Any]
) -> None:
    exports = exports_to(faulty_lake)
    exports.project.create("/events", event(1))
    exports.export("events", **run)
    exports.project.create("/events", event(2))
    faulty_s3.expired(COMMIT)
    with pytest.raises(LakeUnavailableError, match="the credentials have expired"):
        exports.export("events", **run)
    faulty_s3.clear()
    assert set(exports.by("externalId", "events")) == {"e1"}
    exports.export("events", **run)
    assert set(exports.by("externalId", "events")) == {"e1", "e2"}
