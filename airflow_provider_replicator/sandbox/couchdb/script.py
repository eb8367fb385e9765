# SPDX-License-Identifier: Apache-2.0
"""The part of JavaScript that functions of design documents may use here. There is no engine: this is the whole language.

``function (a, b) { … }`` or ``(a, b) => …`` with the statements ``var``/``let``/``const``, ``if``/``else``, ``return``, ``throw`` and
expressions; operators ``?: || && ?? == != === !== < <= > >= in + - * / % ! typeof``; members, calls, function expressions, strings,
numbers, arrays, objects, regular expressions. No loops, no assignment, no ``new``, no ``this``. What strings and arrays can do is in
:mod:`.script_values`, what else there is in :mod:`.script_globals`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from airflow_provider_replicator.sandbox.couchdb import script_run as run
from airflow_provider_replicator.sandbox.couchdb import script_values as values
from airflow_provider_replicator.sandbox.couchdb.script_globals import GLOBALS
from airflow_provider_replicator.sandbox.couchdb.script_run import Run, Scope
from airflow_provider_replicator.sandbox.couchdb.script_tokens import (
    RESERVED,
    Token,
    UnreadableError,
    pattern,
    tokens,
    unquoted,
)
from airflow_provider_replicator.sandbox.couchdb.script_values import UNDEFINED

_LEVELS: list[dict[str, Callable[[Any, Any], Any]]] = [
    {"===": values.equal, "!==": lambda a, b: not values.equal(a, b)}
    | {"==": values.loosely_equal, "!=": lambda a, b: not values.loosely_equal(a, b)},
    {
        "<": values.comparison(operator.lt),
        "<=": values.comparison(operator.le),
        ">": values.comparison(operator.gt),
        ">=": values.comparison(operator.ge),
        "in": values.contains,
    },
    {"+": values.add, "-": values.arithmetic("-")},
    {"*": values.arithmetic("*"), "/": values.arithmetic("/"), "%": values.arithmetic("%")},
]


class Parser:
    """By recursive descent, straight into closures."""

    def __init__(self, source: str) -> None:
        self._tokens = [*tokens(source), Token("end", "")]
        self._at = 0

    def function(self) -> Callable[..., Any]:
        """The whole source is one function. Raises UnreadableError."""
        made = self._expression()
        self._take(";")
        if self._now.kind != "end":
            raise UnreadableError(f"unexpected {self._now.text!r} after the function")
        value = made(dict(GLOBALS))
        if not callable(value):
            raise UnreadableError("expression does not eval to a function")
        return value  # type: ignore[no-any-return]

    # tokens

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *texts: str) -> str | None:
        if self._now.kind in ("sign", "name") and self._now.text in texts:
            return self._next().text
        return None

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            raise UnreadableError(f"expected {text!r}, found {self._now.text!r}")

    def _name(self) -> str:
        if self._now.kind != "name":
            raise UnreadableError(f"expected a name, found {self._now.text!r}")
        return self._next().text

    # statements

    def _block(self) -> Run:
        self._need("{")
        body = []
        while self._take("}") is None:
            if self._now.kind == "end":
                raise UnreadableError("expected '}'")
            body.append(self._statement())

        def each(scope: Scope) -> Any:
            for statement in body:
                done = statement(scope)
                if done is not None:
                    return done
            return None

        return each

    def _statement(self) -> Run:
        if self._now.text == "{":
            return self._block()
        if self._take(";"):
            return lambda _: None
        if self._take("if"):
            return self._if()
        if self._take("var", "let", "const"):
            return self._variable()
        if self._take("return"):
            value = (lambda _: UNDEFINED) if self._now.text in (";", "}") else self._expression()
            self._take(";")
            return lambda scope: (value(scope),)
        if self._take("throw"):
            value = self._expression()
            self._take(";")
            return lambda scope: run.throw(value(scope))
        value = self._expression()
        self._take(";")
        return run.ignored(value)

    def _if(self) -> Run:
        self._need("(")
        test = self._expression()
        self._need(")")
        then = self._statement()
        otherwise = self._statement() if self._take("else") else lambda _: None
        return lambda scope: then(scope) if values.truth(test(scope)) else otherwise(scope)

    def _variable(self) -> Run:
        name = self._name()
        value = self._expression() if self._take("=") else lambda _: UNDEFINED
        more = self._variable() if self._take(",") else None
        if more is None:
            self._take(";")

        def assign(scope: Scope) -> Any:
            scope[name] = value(scope)
            return more(scope) if more is not None else None

        return assign

    # expressions

    def _expression(self) -> Run:
        test = self._either()
        if self._take("?") is None:
            return test
        then = self._expression()
        self._need(":")
        otherwise = self._expression()
        return lambda scope: then(scope) if values.truth(test(scope)) else otherwise(scope)

    def _either(self) -> Run:
        found = self._both()
        while sign := self._take("||", "??"):
            found = run.logical(sign, found, self._both())
        return found

    def _both(self) -> Run:
        found = self._binary(0)
        while sign := self._take("&&"):
            found = run.logical(sign, found, self._binary(0))
        return found

    def _binary(self, level: int) -> Run:
        if level == len(_LEVELS):
            return self._unary()
        found = self._binary(level + 1)
        while sign := self._take(*_LEVELS[level]):
            found = run.applied(_LEVELS[level][sign], found, self._binary(level + 1))
        return found

    def _unary(self) -> Run:
        if self._take("!"):
            value = self._unary()
            return lambda scope: not values.truth(value(scope))
        if self._take("-"):
            value = self._unary()
            return lambda scope: -values.number(value(scope))
        if self._take("typeof"):
            value = self._unary()
            return lambda scope: values.type_name(value(scope))
        return self._postfix(self._primary())

    def _postfix(self, found: Run) -> Run:
        while True:
            if self._take("."):
                found = run.member(found, run.constant(self._name()))
            elif self._take("["):
                found = run.member(found, self._expression())
                self._need("]")
            elif self._take("("):
                found = run.called(found, self._list(")"))
            else:
                return found

    def _list(self, end: str) -> list[Run]:
        found: list[Run] = []
        while self._take(end) is None:
            found.append(self._expression())
            if self._now.text != end:
                self._need(",")
        return found

    def _primary(self) -> Run:
        if self._is_arrow():
            return self._arrow()
        token = self._next()
        if token.kind == "number":
            return run.constant(
                float(token.text) if "." in token.text or "e" in token.text.lower() else int(token.text)
            )
        if token.kind == "text":
            return run.constant(unquoted(token.text))
        if token.kind == "pattern":
            return run.constant(pattern(token.text))
        if token.text in RESERVED:
            raise UnreadableError(f"{token.text!r} is not supported")
        if token.kind == "name":
            return self._function() if token.text == "function" else run.variable(token.text)
        return self._grouped(token)

    def _grouped(self, token: Token) -> Run:
        if token.text == "(":
            found = self._expression()
            self._need(")")
            return found
        if token.text == "[":
            parts = self._list("]")
            return lambda scope: [part(scope) for part in parts]
        if token.text == "{":
            return self._object()
        raise UnreadableError(f"unexpected {token.text!r}")

    def _object(self) -> Run:
        members: dict[str, Run] = {}
        while self._take("}") is None:
            token = self._next()
            name = unquoted(token.text) if token.kind == "text" else token.text
            members[name] = self._expression() if self._take(":") else run.variable(name)
            if self._now.text != "}":
                self._need(",")
        return lambda scope: {name: value(scope) for name, value in members.items()}

    # functions

    def _function(self) -> Run:
        if self._now.kind == "name":
            self._next()
        self._need("(")
        return run.function(self._parameters(), self._block())

    def _parameters(self) -> list[str]:
        names: list[str] = []
        while self._take(")") is None:
            names.append(self._name())
            if self._now.text != ")":
                self._need(",")
        return names

    def _is_arrow(self) -> bool:
        """``x =>``, or a bracket whose other end is followed by an arrow."""
        if self._now.kind == "name":
            return self._tokens[self._at + 1].text == "=>"
        if self._now.text != "(":
            return False
        texts = [token.text for token in self._tokens[self._at :]]
        end = texts.index(")") if ")" in texts else -1
        return end > 0 and texts[end + 1 : end + 2] == ["=>"]

    def _arrow(self) -> Run:
        names = self._parameters() if self._take("(") else [self._name()]
        self._need("=>")
        if self._now.text == "{":
            return run.function(names, self._block())
        value = self._expression()
        return run.function(names, lambda scope: (value(scope),))
