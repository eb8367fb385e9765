# SPDX-License-Identifier: Apache-2.0
"""Datapoints in Delta tables: window by window, and as a feed of changes."""
