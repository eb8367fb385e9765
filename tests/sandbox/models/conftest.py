# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.sandbox.caller import Caller
from tests.sandbox.models.modelling import EVERY_TYPE, SPACE, container, mapped, view


@pytest.fixture
def models(cdf: Caller) -> Caller:
    """The space ``sp`` with container and view ``All`` (every type) and ``Lists`` (lists of every type but enum)."""
    lists = {name: {**one, "list": True} for name, one in EVERY_TYPE.items() if one["type"] != "enum"}
    cdf.create("/models/spaces", {"space": SPACE})
    cdf.create(
        "/models/containers", container("All", EVERY_TYPE, usedFor="all"), container("Lists", lists, usedFor="all")
    )
    cdf.create(
        "/models/views",
        view("All", {name: mapped("All", name) for name in EVERY_TYPE}),
        view("Lists", {name: mapped("Lists", name) for name in lists}),
    )
    return cdf
