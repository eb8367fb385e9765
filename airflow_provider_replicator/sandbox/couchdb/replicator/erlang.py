# SPDX-License-Identifier: Apache-2.0
"""Erlang terms as ``io_lib:format("~p")`` prints them: that is what CouchDB's error texts are made of, line breaks included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH = 80
_NARROW = 4


class Atom(str):
    """``badarg``. A plain ``str`` is a binary: ``<<"text">>``."""

    __slots__ = ()


class Chars(str):
    """``"text"``, a list of characters."""

    __slots__ = ()


class Opaque(str):
    """What is printed as it stands: ``#Fun<…>``, ``<0.1.0>``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Node:
    """A term ready for printing; ``parts`` is None for what is never broken."""

    flat: str
    parts: tuple[_Node, ...] | None = None
    brackets: str = "{}"
    tagged: bool = False

    @property
    def breaks(self) -> bool:
        return self.parts is not None


def text(term: Any) -> str:
    """How an error reason reads: binaries and atoms bare, everything else printed."""
    return str(term) if isinstance(term, str) else pretty(term)


def pretty(term: Any) -> str:
    node = _node(term)
    try:
        _check(node, 1)
    except _TooFarRightError:
        return _print(node, 1, 0, _NARROW)
    return _print(node, 1, 0, 0)


def _node(term: Any) -> _Node:
    if isinstance(term, tuple | list):
        parts = tuple(_node(part) for part in term)
        brackets = "{}" if isinstance(term, tuple) else "[]"
        flat = f"{brackets[0]}{','.join(part.flat for part in parts)}{brackets[1]}"
        tagged = isinstance(term, tuple) and len(term) > 1 and isinstance(term[0], Atom)
        return _Node(flat, parts or None, brackets, tagged)
    if isinstance(term, dict):
        return _node(([(key, value) for key, value in term.items()],))
    return _Node(_leaf(term))


def _leaf(term: Any) -> str:
    if isinstance(term, Chars):
        return _quoted(term)
    if isinstance(term, Atom | Opaque):
        return str(term)
    if isinstance(term, str):
        return _binary(term.encode())
    if term is None:
        return "null"
    return str(term).lower() if isinstance(term, bool) else str(term)


def _binary(data: bytes) -> str:
    if not data:
        return "<<>>"
    if all(32 <= byte <= 126 or byte >= 160 or byte in b"\b\t\n\v\f\r\x1b" for byte in data):
        # Erlang takes each byte for a character, so UTF-8 survives its way through the answer.
        return f"<<{_quoted(data.decode('utf-8', 'replace'))}>>"
    return f"<<{','.join(str(byte) for byte in data)}>>"


def _quoted(value: str) -> str:
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    )
    return f'"{escaped}"'


class _TooFarRightError(Exception):
    """Aligning with the first element would leave too little room: everything is indented by four instead."""


def _fits(node: _Node, column: int, closing: int) -> bool:
    return not node.breaks or len(node.flat) < _WIDTH - column - closing


def _after(node: _Node, column: int) -> int:
    """Where a line goes on after ``node``: nothing follows a list or a tuple on its line."""
    return _WIDTH if node.breaks else column + len(node.flat)


def _joins(node: _Node, column: int, closing: int) -> bool:
    return not node.breaks and len(node.flat) + 1 < _WIDTH - column - max(closing, 1)


def _check(node: _Node, column: int, closing: int = 0) -> None:
    """Raise if some element of ``node`` cannot be aligned with the one before it."""
    if node.parts is None or _fits(node, column, closing):
        return
    inner, rest = column + 1, node.parts
    if node.tagged:
        inner, rest = column + len(node.parts[0].flat) + 2, node.parts[1:]
        if inner >= _WIDTH // 2 and inner + len(node.flat) > _WIDTH:
            raise _TooFarRightError
    _check_rest(rest, inner, inner, closing, first=True)


def _check_rest(parts: Sequence[_Node], start: int, column: int, closing: int, *, first: bool) -> None:
    for number, part in enumerate(parts):
        last = closing + 1 if number == len(parts) - 1 else 0
        if first and number == 0:
            _check(part, column, last)
            column = _after(part, column)
        elif _joins(part, column, last):
            column += len(part.flat) + 1
        else:
            _check(part, start, last)
            column = _after(part, start)


def _print(node: _Node, column: int, closing: int, narrow: int) -> str:
    if node.parts is None or _fits(node, column, closing):
        return node.flat
    opening, end = node.brackets[0], node.brackets[1]
    inner, rest, head = column + 1, node.parts, opening
    if node.tagged:
        tag = node.parts[0].flat
        inner, rest, head = column + len(tag) + 2, node.parts[1:], f"{opening}{tag},"
        if narrow and len(tag) + 2 > narrow:
            start = column + narrow
            return opening + tag + _print_rest(rest, start, inner, closing, narrow) + end
    last = closing + 1 if len(rest) == 1 else 0
    first = _print(rest[0], inner, last, narrow)
    return head + first + _print_rest(rest[1:], inner, _after(rest[0], inner), closing, narrow) + end


def _print_rest(parts: Sequence[_Node], start: int, column: int, closing: int, narrow: int) -> str:
    pieces = []
    for number, part in enumerate(parts):
        last = closing + 1 if number == len(parts) - 1 else 0
        if _joins(part, column, last):
            pieces.append(f",{part.flat}")
            column += len(part.flat) + 1
        else:
            pieces.append(f",\n{' ' * (start - 1)}{_print(part, start, last, narrow)}")
            column = _after(part, start)
    return "".join(pieces)
