# SPDX-License-Identifier: Apache-2.0
"""CDF's protobuf datapoints, read and written without decoding points where that is possible."""
