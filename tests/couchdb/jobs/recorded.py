# SPDX-License-Identifier: Apache-2.0
"""Sequences as CouchDB 3.5 has given them: two of one database, the first while only one shard was read; and one of another."""

from __future__ import annotations

_START = "zLYWBgYMpgTmHgzcvPy09JdcjLz8gvLskBCScyJNX___8_K4M5"
FIVE = f"5-g1AAAABteJ{_START}kTUXKMCekmhgbJmagq4Yh_Y8FiDJ0ACk_oNMSWTIAgD6PCI7"
FIFTY = f"50-g1AAAACLeJ{_START}US4XKMCekmhgbJmagq4Yh_Y8FiDJ0ACk_kNNEQGbkmyZlGaeZImuJwsAeAUrTA"
OTHER = f"100-g1AAAACLeJ{_START}UScXKMBuYGyQaGJihK4Yh_Y8FiDJ0ACk_kNNsQCbkpiUaGhgbIKuJwsARPMqmA"
