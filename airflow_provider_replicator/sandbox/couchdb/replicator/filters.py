# SPDX-License-Identifier: Apache-2.0
"""What a job leaves out: by ids, by selector, by a function in a design document of the source."""

from __future__ import annotations

from typing import Any, Literal

from airflow_provider_replicator.sandbox.couchdb.replicator.options import MISSING, Options
from airflow_provider_replicator.sandbox.couchdb.replicator.selector import check_selector
from airflow_provider_replicator.sandbox.couchdb.replicator.texts import (
    RejectedDocumentError,
    bad_request,
    failed_with,
)

Kind = Literal["none", "builtin", "user", "doc_ids", "selector"]


def kind(options: Options) -> Kind:
    if options.selector is not None:
        return "selector"
    if options.doc_ids is not None:
        return "doc_ids"
    if options.filter is MISSING:
        return "none"
    return "builtin" if str(options.filter).startswith("_") else "user"


def check(options: Options) -> None:
    """Raises RejectedDocumentError."""
    if options.filter is not MISSING and not isinstance(options.filter, str):
        raise failed_with("badarg")
    if options.filter == "_view":
        _check_view((options.query_params or {}).get("view"))
    if kind(options) == "user":
        split(options)
    if options.selector is not None:
        check_selector(options.selector)


def _check_view(view: Any) -> None:
    if not isinstance(view, str):
        raise failed_with("badarg")
    if view.count("/") != 1:
        raise bad_request("Invalid `view` parameter.")


def split(options: Options) -> tuple[str, str]:
    """Design document (without ``_design/``) and name of a user's filter."""
    design, slash, name = str(options.filter).partition("/")
    if not slash:
        raise RejectedDocumentError("Invalid filter. Must match `ddocname/filtername`.")
    return design, name


def identity(options: Options, code: str | None) -> list[Any]:
    """What the filter adds to the id of a job: the code of the function counts, not its name."""
    which = kind(options)
    if which == "selector":
        return [options.selector]
    if which == "doc_ids":
        return [list(options.doc_ids or ())]
    if which == "none":
        return []
    return [options.filter if which == "builtin" else code, options.query_params or {}]
