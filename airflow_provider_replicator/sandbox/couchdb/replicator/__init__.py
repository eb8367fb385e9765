# SPDX-License-Identifier: Apache-2.0
"""The replicator and scheduler of the stand-in CouchDB: jobs that really copy over HTTP between any two servers.

States, counters, texts and oddities are those of CouchDB 3.5.0, with which they were compared (3.5.2 where versions differ). It
leaves out what a client cannot rely on anyway: fair shares between databases (the job that has waited longest goes first), other
nodes of a cluster, the now and then wrong ``sel_conn_closed`` where a connection was refused, and a SIGTERM that hangs when the
replicator is wedged. Attachments travel inside their documents, not as multipart.
"""
