# SPDX-License-Identifier: Apache-2.0
"""What functions of design documents find without declaring it."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.couchdb import script_values as values
from airflow_provider_replicator.sandbox.couchdb.script_values import UNDEFINED

_INTEGER = re.compile(r"\s*([+-]?\d+)")
_FRACTION = re.compile(r"\s*([+-]?\d*\.?\d+(?:[eE][+-]?\d+)?)")


def _parse_int(value: Any, base: Any = 10) -> Any:
    found = _INTEGER.match(values.text(value))
    return int(found.group(1), int(base)) if found else math.nan


def _parse_float(value: Any) -> Any:
    found = _FRACTION.match(values.text(value))
    return float(found.group(1)) if found else math.nan


def _rounded(value: Any) -> Any:
    return math.floor(values.number(value) + 0.5)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


GLOBALS: dict[str, Any] = {
    "undefined": UNDEFINED,
    "true": True,
    "false": False,
    "null": None,
    "NaN": math.nan,
    "isArray": _is_array,
    "isNaN": lambda value: math.isnan(values.number(value)),
    "parseInt": _parse_int,
    "parseFloat": _parse_float,
    "Number": values.number,
    "String": values.text,
    "Boolean": values.truth,
    "Array": {"isArray": _is_array},
    "Object": {"keys": lambda value: list(value)},
    "JSON": {"stringify": _json, "parse": lambda text: orjson.loads(text)},
    "Math": {
        "abs": lambda value: abs(values.number(value)),
        "ceil": lambda value: math.ceil(values.number(value)),
        "floor": lambda value: math.floor(values.number(value)),
        "max": lambda *numbers: max(map(values.number, numbers)),
        "min": lambda *numbers: min(map(values.number, numbers)),
        "round": _rounded,
    },
    "toJSON": _json,
    "log": lambda *_: UNDEFINED,
}
