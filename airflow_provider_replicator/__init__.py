# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider that replicates Cognite Data Fusion (CDF) projects."""

__version__ = "0.1.0"
