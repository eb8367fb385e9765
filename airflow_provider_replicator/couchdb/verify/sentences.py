# SPDX-License-Identifier: Apache-2.0
"""What was found, in sentences that say what to do about it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_replicator.couchdb.verify.bodies import Bodies
    from airflow_provider_replicator.couchdb.verify.revisions import Revisions

#: Ids in a sentence, and characters of one.
_IDS = 5
_LONGEST_ID = 60
_AGAIN = 'replicate again with since_seq="0" and use_checkpoints=False, as repair=True does: every document is looked at anew'


def about_counts(counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    there, here = counts["source"], counts["target"]
    for what, called in (("docs", "documents"), ("deleted", "deleted documents")):
        if what in there and what in here and there[what] != here[what]:
            yield (
                f"The source has {_n(there[what])} {called}, the target {_n(here[what])}. If one of them is written to, or the "
                "target holds other documents, too, that need not mean anything: level='revisions' names what is missing."
            )


def about_pending(pending: int) -> Iterator[str]:
    if pending:
        yield (
            f"{_n(pending)} changes of the source came after the sequence that the replication has come to: wait for it, or "
            "run it again."
        )


def about_missing(found: Revisions) -> Iterator[str]:
    """What the target lacks, and why that may be."""
    missing = found.missing
    what = (
        f"{_n(missing.documents)} of {_n(found.documents)} documents are not, or not with all revisions, in the target"
    )
    yield f"{what} ({_n(missing.revisions)} revisions): {_ids(missing.ids(_IDS), missing.documents)}."
    if missing.documents == found.documents:
        yield "Nothing of what was looked at is there: was it replicated, with the same selection, between these two databases?"
    elif missing.only_design_documents:
        yield (
            "All of them are design documents, which a target takes from its administrators only: "
            f"replicate with a connection that is one, and {_AGAIN}."
        )
    elif not missing.winners:
        yield (
            "Only conflicting revisions are missing: if that is meant so (winning_revs_only), verify with winning_revs_only as well; "
            f"else {_AGAIN}."
        )
    else:
        yield (
            "The target refuses documents that a validation function or its size limit does not allow (doc_write_failures of the job "
            f"counts them; its log names them), and does not get back what was purged there: remove the cause, then {_AGAIN}."
        )


def about_bodies(bodies: Bodies) -> Iterator[str]:
    if bodies.different:
        yield (
            f"{_n(bodies.different)} of {_n(bodies.compared)} compared revisions have another content in the target, under the same "
            f"revision: {_ids(tuple(bodies.different_ids[:_IDS]), bodies.different)}. No replication puts that right, because it "
            "takes them for copied: write these documents anew at the source, or delete the target database and replicate again."
        )


def notes(found: Revisions, bodies: Bodies | None) -> Iterator[str]:
    """What is no failure."""
    if found.changed_meanwhile:
        yield (
            f"{_n(found.changed_meanwhile)} documents were written to while this was running, and are not in the target yet; "
            "they count neither as there nor as missing."
        )
    if bodies is not None and bodies.superseded:
        yield f"{_n(bodies.superseded)} revisions are known to the target, which has newer ones: their content was not compared."
    if bodies is not None and bodies.too_large:
        yield f"{_n(bodies.too_large)} documents or attachments are too large to be compared."


def tolerated(missing: int, most: int) -> str:
    return f"{_n(missing)} documents are missing, which max_missing={most} allows."


def _ids(ids: tuple[str, ...], of: int) -> str:
    named = ", ".join(one if len(one) <= _LONGEST_ID else one[: _LONGEST_ID - 1] + "…" for one in ids)
    return named if of <= len(ids) else f"{named}, …"


def _n(number: int) -> str:
    return f"{number:_}".replace("_", " ")
