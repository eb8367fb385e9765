# SPDX-License-Identifier: Apache-2.0
"""Functions of design documents, without a JavaScript engine: see :mod:`.script` for the small part of the language that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError


def compile_function(source: Any) -> Callable[..., Any]:
    """Called with JSON values. Raises 500 ``compilation_error`` for what this server does not understand."""
    raise CouchError(500, "compilation_error", "the sandbox has no JavaScript engine")
