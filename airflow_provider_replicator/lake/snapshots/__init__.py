# SPDX-License-Identifier: Apache-2.0
"""Snapshots: flat files of several tables at one moment, for readers that know nothing of Delta."""
