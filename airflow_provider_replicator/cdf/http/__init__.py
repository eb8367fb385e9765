# SPDX-License-Identifier: Apache-2.0
"""How bytes travel between this process and CDF: connections, credentials, limits, retries."""
