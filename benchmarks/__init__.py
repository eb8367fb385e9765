# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: scripts that print tables and write ``build/bench.json``. Never timed tests. Run with ``make bench``."""
