# SPDX-License-Identifier: Apache-2.0
"""The replicator and scheduler of the stand-in CouchDB: jobs that really copy over HTTP between any two servers."""
