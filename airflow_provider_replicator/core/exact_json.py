# SPDX-License-Identifier: Apache-2.0
"""JSON whose numbers keep their digits. What has an integer that does not fit 64 bits is read by a slower parser, because the fast one
would turn it into a float.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The fast parser knows integers of up to 64 bits, which have at most 20 digits; those of 18 are safe.
_SAFE_DIGITS = 18
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * (_SAFE_DIGITS + 1)


def loads(body: bytes) -> Any:
    """Parsed. Long numbers are ``orjson.Fragment``, which :func:`orjson.dumps` writes as they were; :func:`plain` makes numbers of
    them. Raises ValueError for what is no JSON.
    """
    import orjson

    if _LONG_NUMBER in body.translate(_DIGITS):
        return _exactly(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # halves of surrogate pairs, which it does not take
        return _exactly(body)


def plain(values: Sequence[Any]) -> Sequence[Any]:
    """Values out of :func:`loads`, each without fragments (lists as well, but no objects): integers of any size, floats as near as
    they come.
    """
    from orjson import Fragment

    if not {Fragment, list} & set(map(type, values)):
        return values
    return [_plain(value, Fragment) for value in values]


def _plain(value: Any, fragment: type) -> Any:
    import orjson

    if type(value) is fragment:
        return json.loads(orjson.dumps(value))
    if type(value) is list and fragment in set(map(type, value)):
        return [_plain(one, fragment) for one in value]
    return value


def _exactly(body: bytes) -> Any:
    """Numbers that the fast parser would change stay the text they are; others become what it makes of them."""
    from orjson import Fragment

    def integer(text: str) -> Any:
        return int(text) if len(text) <= _SAFE_DIGITS else Fragment(text.encode())

    def real(text: str) -> Any:
        return float(text) if len(text) <= _SAFE_DIGITS else Fragment(text.encode())

    return json.loads(body, parse_int=integer, parse_float=real)
