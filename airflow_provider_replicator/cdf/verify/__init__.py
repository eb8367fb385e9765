# SPDX-License-Identifier: Apache-2.0
"""Source and target compared: counts, keys, content, points."""
