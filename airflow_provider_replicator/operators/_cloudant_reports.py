# SPDX-License-Identifier: Apache-2.0
"""What the report of a replicating task holds of its second job, its repair and its verification: under 4 KB in all. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.exceptions import VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_replicator.couchdb.verify.report import VerifyReport

#: What is kept of the report of a job that is not the first.
_BRIEF = (
    "doc_id",
    "job_id",
    "state",
    "outcome",
    "adopted",
    "docs_read",
    "docs_written",
    "doc_write_failures",
    "docs_read_total",
    "docs_written_total",
    "doc_write_failures_total",
    "crashes",
    "seconds",
    "requests",
)
#: The counts of a verification that the report of a replication has.
_VERIFIED = (
    "level",
    "ok",
    "documents",
    "revisions",
    "conflicts",
    "tombstones",
    "missing_documents",
    "missing_revisions",
    "changed_meanwhile",
    "pending",
    "compared",
    "different",
)


def brief(report: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a job, without addresses, sequences and lists."""
    return {name: report[name] for name in _BRIEF if name in report}


def verification_report(found: Sequence[VerifyReport]) -> dict[str, Any]:
    """What is kept of one or two verifications: counts by direction, and the first ids that are missing."""
    verification = [{name: getattr(one, name) for name in _VERIFIED} for one in found]
    kept: dict[str, Any] = {"verification": verification[0]}
    if len(verification) > 1:
        kept["verification_back"] = verification[1]
    return kept | {"missing_ids": [name for one in found for name in one.missing_ids]}


def verification_error(found: Sequence[VerifyReport], report: Mapping[str, Any]) -> VerificationError:
    differing = [one for one in found if not one.ok]
    findings = [finding for one in differing for finding in one.findings]
    return VerificationError(" ".join(one.message for one in differing), findings, report)
