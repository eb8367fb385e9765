# SPDX-License-Identifier: Apache-2.0
"""Operators that keep CDF in Delta Lake tables, publish snapshots of them and look after them, under their public names."""

from __future__ import annotations

__all__: list[str] = []
