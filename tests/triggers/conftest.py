# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.operators.couch_world import running_couch, world

__all__ = ["running_couch", "world"]
