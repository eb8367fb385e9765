# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.sandbox.caller import Caller
from tests.sandbox.models.modelling import with_every_type


@pytest.fixture
def models(cdf: Caller) -> Caller:
    return with_every_type(cdf)
