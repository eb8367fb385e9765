# SPDX-License-Identifier: Apache-2.0
"""Tables that follow a feed of changes: the current state, one row per key, and beside it the changes that wait to be merged."""
