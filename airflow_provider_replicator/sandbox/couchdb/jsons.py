# SPDX-License-Identifier: Apache-2.0
"""JSON with whole numbers of any size: a document must come out as it went in."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG = re.compile(rb"[0-9]{19}")


def loads(text: bytes) -> Any:
    """Raises ValueError. Quick, unless there is a number in it that 64 bits may not hold."""
    value = orjson.loads(text)
    return json.loads(text) if _LONG.search(text) else value


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
