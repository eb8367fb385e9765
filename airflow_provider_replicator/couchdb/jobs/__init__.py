# SPDX-License-Identifier: Apache-2.0
"""Replication jobs on CouchDB / Cloudant: submitted once, followed to their end, reported, stopped, cleaned up.

::

    options   what is replicated, how long to wait, what to do in doubt     job       what a trigger carries
    submit    put the document, adopt what is there already                 states    what the server says of it
    wait      until it ends, within limits                                  finish    the report, or an error
    stop      listing      cleanup      lag      bidirectional      windows      duplicates
"""
