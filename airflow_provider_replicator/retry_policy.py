# SPDX-License-Identifier: Apache-2.0
"""A retry policy for tasks of this package: do not repeat what cannot succeed, repeat what can.

Two layers retry. Inside a task the client repeats single requests for seconds (429 with ``Retry-After``, 5xx, resets). Airflow
repeats the task for outages of minutes to hours, with ``retries``, ``retry_delay``, ``retry_exponential_backoff``
and ``max_retry_delay`` of the task; a repeated task goes on at its checkpoint. This policy decides between the two ends:

====================================================  ==========================================================
``exceptions.PermanentError`` and its subclasses       fails at once: somebody has to change something
a connection that does not exist                       the same
``exceptions.TransientError`` and its subclasses       repeated, with the delays of the task
anything else                                          as if there were no policy
====================================================  ==========================================================
"""

from __future__ import annotations

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

__all__ = ["REPLICATION_RETRY_POLICY"]

# Dotted strings, as Airflow stores them with the DAG.
_EXCEPTIONS = "airflow_provider_replicator.exceptions"

REPLICATION_RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[f"{_EXCEPTIONS}.PermanentError", "airflow.sdk.exceptions.AirflowNotFoundException"],
            action=RetryAction.FAIL,
            reason="a retry cannot help: the error names what has to change",
        ),
        RetryRule(
            exception=f"{_EXCEPTIONS}.TransientError",
            action=RetryAction.RETRY,
            reason="a server did not answer or was too busy: the retry goes on where this try was",
        ),
    ]
)
"""Give it to a task (or to ``default_args``) as ``retry_policy=REPLICATION_RETRY_POLICY``."""
