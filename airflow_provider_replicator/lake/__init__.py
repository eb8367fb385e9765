# SPDX-License-Identifier: Apache-2.0
"""CDF in Delta Lake on S3: tables, exactly-once streams, snapshots, upkeep. No Airflow."""
