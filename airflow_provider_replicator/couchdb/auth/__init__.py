# SPDX-License-Identifier: Apache-2.0
"""Who we are for a CouchDB server: five ways to say it, in requests and in the documents of replication jobs."""
