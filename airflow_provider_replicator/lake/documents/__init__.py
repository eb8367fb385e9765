# SPDX-License-Identifier: Apache-2.0
"""Databases of CouchDB and Cloudant in Delta tables: one table per database, which follows the feed of changes."""
