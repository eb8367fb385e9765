# SPDX-License-Identifier: Apache-2.0
"""Data-model instances of CDF as Delta tables, exactly once."""
