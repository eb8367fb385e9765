# SPDX-License-Identifier: Apache-2.0
"""Replication jobs on CouchDB / Cloudant: submitted once, followed to their end, reported, stopped, cleaned up.

::

    options    what is replicated (fields, sequences)       choices     who for, what in doubt, how long to wait
    submit     put the document, adopt what is there        duplicates  another document has come first
    wait       until it ends, within limits (waiting)       states      what the server says of it (reading, errors)
    finish     the report, or an error (judging, history)   stop        delete the document
    replicate  all of that in one call                      job, outcome, progress: what travels, and is logged
    windows    bidirectional    lag    listing    cleanup
"""
