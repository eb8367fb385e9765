# SPDX-License-Identifier: Apache-2.0
"""The words of the small script language."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?P<space>(?:\s|//[^\n]*|/\*.*?\*/)+)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<sign>===|!==|=>|==|!=|<=|>=|&&|\|\||\?\?|[-+*/%!<>=?:;,.(){}\[\]])",
    re.S,
)
PATTERN = re.compile(r"/((?:[^/\\\n\[]|\\.|\[(?:[^\]\\]|\\.)*\])+)/([gimsuy]*)")
#: before a slash, these mean that a value has ended: it divides
_ENDS = (")", "]", "}")
#: names that mean something, before which or after which no value has ended
KEYWORDS = frozenset(("return", "throw", "typeof", "in", "else", "if", "var", "let", "const", "function"))
#: names that mean something in JavaScript, but nothing here
RESERVED = frozenset(
    (
        "new",
        "this",
        "for",
        "while",
        "do",
        "switch",
        "case",
        "try",
        "catch",
        "delete",
        "void",
        "instanceof",
        "class",
        "await",
    )
)


class Token(NamedTuple):
    kind: str
    text: str


class UnreadableError(Exception):
    """The source is not of this language. The message says where."""


def _ends_a_value(token: Token) -> bool:
    if token.kind == "name":
        return token.text not in KEYWORDS
    return token.kind in ("number", "text") or token.text in _ENDS


def tokens(source: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(source):
        ended = bool(found) and _ends_a_value(found[-1])
        matched = None if ended or source[at] != "/" or source[at + 1 : at + 2] in "/*" else PATTERN.match(source, at)
        if matched is not None:
            found.append(Token("pattern", matched.group()))
        else:
            matched = _TOKEN.match(source, at)
            if matched is None:
                raise UnreadableError(f"unexpected {source[at : at + 20]!r}")
            if matched.lastgroup != "space":
                found.append(Token(str(matched.lastgroup), matched.group()))
        at = matched.end()
    return found


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


def unquoted(text: str) -> str:
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _unescaped, text[1:-1], flags=re.S)


def _unescaped(matched: re.Match[str]) -> str:
    code = matched.group(1)
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)


def pattern(text: str) -> re.Pattern[str]:
    matched = PATTERN.fullmatch(text)
    assert matched is not None
    flags = {"i": re.I, "m": re.M, "s": re.S}
    return re.compile(matched.group(1), sum(flags.get(one, 0) for one in matched.group(2)))
