# SPDX-License-Identifier: Apache-2.0
"""Assets, events and the other classic resource types, and raw rows, in Delta tables."""
