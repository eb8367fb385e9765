# SPDX-License-Identifier: Apache-2.0
"""Raw databases, tables and rows."""
