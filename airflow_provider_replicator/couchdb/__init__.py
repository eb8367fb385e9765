# SPDX-License-Identifier: Apache-2.0
"""Replication between Cloudant / Apache CouchDB databases: jobs, waiting, verification. No Airflow."""
