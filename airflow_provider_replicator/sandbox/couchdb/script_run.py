# SPDX-License-Identifier: Apache-2.0
"""The small script language as closures: each takes the variables and gives a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import script_values as values
from airflow_provider_replicator.sandbox.couchdb.script_values import UNDEFINED, ScriptError

Scope = dict[str, Any]
#: an expression; as a statement, what it gives is None, or a tuple with what the function returns
Run = Callable[[Scope], Any]


class ThrownError(Exception):
    """``throw value``."""

    def __init__(self, value: Any) -> None:
        super().__init__(str(value))
        self.value = value


def throw(value: Any) -> None:
    raise ThrownError(value)


def ignored(value: Run) -> Run:
    """As a statement."""

    def run(scope: Scope) -> None:
        value(scope)

    return run


def constant(value: Any) -> Run:
    return lambda _: value


def variable(name: str) -> Run:
    def run(scope: Scope) -> Any:
        if name not in scope:
            raise ScriptError("ReferenceError", f"'{name}' is not defined")
        return scope[name]

    return run


def logical(sign: str, left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Any:
        value = left(scope)
        if sign == "??":
            return right(scope) if value is None or value is UNDEFINED else value
        return right(scope) if values.truth(value) == (sign == "&&") else value

    return run


def applied(apply: Callable[[Any, Any], Any], left: Run, right: Run) -> Run:
    return lambda scope: apply(left(scope), right(scope))


def member(value: Run, name: Run) -> Run:
    return lambda scope: values.member(value(scope), name(scope))


def called(function: Run, arguments: list[Run]) -> Run:
    def run(scope: Scope) -> Any:
        called = function(scope)
        if not callable(called):
            raise ScriptError("TypeError", "not a function")
        return called(*[argument(scope) for argument in arguments])

    return run


def function(names: list[str], body: Run) -> Run:
    def make(scope: Scope) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            padded = [*given, *[UNDEFINED] * (len(names) - len(given))]
            done = body({**scope, **dict(zip(names, padded, strict=False))})
            return UNDEFINED if done is None else done[0]

        return call

    return make
