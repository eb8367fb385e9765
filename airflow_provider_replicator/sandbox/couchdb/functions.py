# SPDX-License-Identifier: Apache-2.0
"""Functions of design documents. There is no JavaScript engine: :mod:`.script` is the part of the language that runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from airflow_provider_replicator.sandbox.couchdb.errors import CouchError, forbidden, unauthorized
from airflow_provider_replicator.sandbox.couchdb.script import Parser
from airflow_provider_replicator.sandbox.couchdb.script_run import ThrownError
from airflow_provider_replicator.sandbox.couchdb.script_tokens import UnreadableError
from airflow_provider_replicator.sandbox.couchdb.script_values import ScriptError, truth

Function = Callable[..., Any]


@lru_cache(maxsize=256)
def _compiled(source: str) -> Function:
    try:
        return Parser(source).function()
    except UnreadableError as error:
        reason = f"the sandbox has no JavaScript engine and does not understand this function: {error}"
        raise CouchError(500, "compilation_error", reason) from None


def compile_function(source: Any) -> Function:
    """Called with JSON values. Raises 500 ``compilation_error`` for what this server does not understand, and 403 or 401 when it is
    called and throws ``{forbidden: …}`` or ``{unauthorized: …}``."""
    function = _compiled(source if isinstance(source, str) else "")

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except ThrownError as thrown:
            raise _thrown(thrown.value) from None
        except ScriptError as error:
            raise CouchError(500, error.kind, error.reason) from None
        except TypeError as error:  # too few or too many arguments for something built in
            raise CouchError(500, "TypeError", str(error)) from None

    return call


def passes(function: Function, *arguments: Any) -> bool:
    """Whether a filter lets the document through."""
    return truth(function(*arguments))


def _thrown(value: Any) -> CouchError:
    if isinstance(value, dict):
        if "forbidden" in value:
            return forbidden(value["forbidden"])
        if "unauthorized" in value:
            return unauthorized(value["unauthorized"])
    return CouchError(500, "unknown_error", str(value))
