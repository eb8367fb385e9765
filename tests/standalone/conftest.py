# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.standalone.world import world

__all__ = ["world"]
