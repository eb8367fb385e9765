# SPDX-License-Identifier: Apache-2.0
"""Objects that are documents: data sets, labels, assets, events, time series. One algorithm for every type in the table."""
