# SPDX-License-Identifier: Apache-2.0
"""Datapoints as bytes: planned from counts, copied in parallel, compared before they are written."""
