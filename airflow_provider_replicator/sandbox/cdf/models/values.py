# SPDX-License-Identifier: Apache-2.0
"""The property types of containers: their definitions, and the check of each value that is written."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import orjson

from airflow_provider_replicator.sandbox.cdf.fields import Check, Invalid, boolean, expected, integer, text
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models import checks

MAX_TEXT = 128_000
MAX_JSON = 40_960
MAX_JSON_KEYS = 256
MAX_JSON_KEY = 128
MAX_LIST = 1000
MAX_LIST_SETTING = 2000
MAX_RELATIONS = 100
NUMBERS = frozenset({"int32", "int64", "float32", "float64"})
PRIMITIVES = NUMBERS | {"boolean", "timestamp", "date", "json"}
REFERENCES = frozenset({"timeseries", "file", "sequence"})
_ENUM_VALUE = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,127}")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d(:?\d\d)?)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
#: as they are stored, on days that every month has: nothing needs to be parsed
_PLAIN_DATE = re.compile(r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])")
_PLAIN_TIMESTAMP = re.compile(_PLAIN_DATE.pattern + r"T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}\+00:00")

# -- definitions -----------------------------------------------------------------------------------------------------


def parse_type(value: Any, path: str) -> dict[str, Any]:
    """The definition of a type with its defaults filled in. Raises 400."""
    item = checks.an_object(value, path)
    name = item.get("type")
    result: dict[str, Any] = {"type": name, "list": checks.flag(item, "list")}
    size = checks.integer(item, "maxListSize", 1, MAX_LIST_SETTING)
    if size is not None:
        if not result["list"]:
            raise ApiError(400, f"{path}.maxListSize: only for lists")
        result["maxListSize"] = size
    if name == "text":
        result |= _text_type(item)
    elif name == "direct":
        if item.get("container") is not None:
            result["container"] = checks.container_reference(item["container"], f"{path}.container")
    elif name == "enum":
        return _enum_type(item, path)
    elif name in PRIMITIVES:
        result |= _unit(item, str(name), path)
    elif name not in REFERENCES:
        raise ApiError(400, f"{path}.type: unknown property type {name!r}")
    return result


def _text_type(item: Mapping[str, Any]) -> dict[str, Any]:
    collation = item.get("collation")
    if collation is not None and type(collation) is not str:
        raise ApiError(400, "collation: expected a string")
    size = checks.integer(item, "maxTextSize", 1, MAX_TEXT)
    return {"collation": collation or "ucs_basic", **({} if size is None else {"maxTextSize": size})}


def _unit(item: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    if item.get("unit") is None:
        return {}
    if name not in ("float32", "float64"):
        raise ApiError(400, f"{path}.unit: only for float32 and float64")
    unit = checks.an_object(item["unit"], f"{path}.unit")
    return {"unit": {"externalId": checks.instance_id(unit), **checks.texts(unit, sourceUnit=255)}}


def _enum_type(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    values = checks.an_object(item.get("values"), f"{path}.values")
    if not 1 <= len(values) <= 32:
        raise checks.violation("values size must be between 1 and 32")
    for name in values:
        if not _ENUM_VALUE.fullmatch(name) or name in ("true", "false", "null"):
            raise ApiError(400, f"{path}.values: {name!r} cannot be the identifier of an enum value")
    result: dict[str, Any] = {
        "type": "enum",
        "values": {
            name: checks.texts(checks.an_object(value, f"{path}.values.{name}"), name=255, description=1024)
            for name, value in values.items()
        },
    }
    unknown = item.get("unknownValue")
    if unknown is not None:
        if unknown not in values:
            raise ApiError(400, f"{path}.unknownValue: must be one of the values")
        result["unknownValue"] = unknown
    return result


# -- values ----------------------------------------------------------------------------------------------------------


def value_check(kind: Mapping[str, Any]) -> Check:
    """The check of a property's values: returns the value as it is stored, or raises :class:`Invalid`."""
    one = scalar_check(kind)
    if not kind.get("list"):
        return one
    return _list_check(one, kind)


def scalar_check(kind: Mapping[str, Any]) -> Check:
    """The check of one value, or of one element if the property is a list."""
    name = kind["type"]
    if name == "text":
        return _text_check(kind.get("maxTextSize", MAX_TEXT))
    if name == "enum":
        return _enum_check(frozenset(kind["values"]) - {kind.get("unknownValue")})
    return _CHECKS[name]


def _text_check(maximum: int) -> Check:
    surely = maximum // 4

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise expected("a string", value)
        if len(value) > surely and len(value.encode()) > maximum:
            raise Invalid(f"must have at most {maximum} bytes")
        if "\0" in value:
            raise Invalid("must not hold the character NUL")
        return value

    return check


def _enum_check(allowed: frozenset[Any]) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str or value not in allowed:
            raise Invalid(f"must be one of {', '.join(sorted(allowed))}")
        return value

    return check


def _integer_check(bits: int) -> Check:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def check(value: Any) -> Any:
        if type(value) is not int:
            if type(value) is float and value.is_integer():
                value = int(value)
            else:
                raise expected(f"an int{bits}", value)
        if not low <= value <= high:
            raise Invalid(f"is out of range for an int{bits}")
        return value

    return check


def _float64(value: Any) -> Any:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise expected("a float64", value)


def _float32(value: Any) -> Any:
    """The shortest number that has the same 32 bits, as the service answers it."""
    if type(value) not in (int, float):
        raise expected("a float32", value)
    if -4096 < value < 4096 and (value * 16) % 1 == 0:  # such numbers are as short as can be
        return float(value)
    wanted = _bits(value)
    (exact,) = struct.unpack("<f", wanted)
    return next(short for digits in (6, 7, 8, 9) if _bits(short := float(f"{exact:.{digits}g}")) == wanted)


def _bits(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError as error:
        raise Invalid("is out of range for a float32") from error


def _timestamp(value: Any) -> Any:
    """``YYYY-MM-DDTHH:MM:SS.mmm+00:00``: UTC, milliseconds, so that text order is time order."""
    if type(value) is not str:
        raise expected("a timestamp", value)
    if _PLAIN_TIMESTAMP.fullmatch(value):
        return value
    if not _TIMESTAMP.fullmatch(value):
        raise Invalid("expected a timestamp YYYY-MM-DDTHH:MM:SS[.millis][Z|time zone]")
    try:
        parsed = datetime.fromisoformat(value)
        moment = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"is no timestamp: {error}") from error
    return moment.isoformat(timespec="milliseconds")


def _date(value: Any) -> Any:
    if type(value) is not str:
        raise expected("a date", value)
    if _PLAIN_DATE.fullmatch(value):
        return value
    try:
        if _DATE.fullmatch(value):
            date.fromisoformat(value)
            return value
    except ValueError as error:
        raise Invalid(f"is no date: {error}") from error
    raise Invalid("expected a date YYYY-MM-DD")


def _json(value: Any) -> Any:
    """An object: the service wants everything else in the form that it has a type of its own for, and arrays wrapped."""
    if type(value) is not dict:
        raise expected("a JSON object", value)
    if len(value) > MAX_JSON_KEYS or any(len(name) > MAX_JSON_KEY for name in value):
        raise Invalid(f"must have at most {MAX_JSON_KEYS} keys of at most {MAX_JSON_KEY} characters")
    if len(orjson.dumps(value)) > MAX_JSON:
        raise Invalid(f"must have at most {MAX_JSON} bytes of JSON")
    return value


def _relation(value: Any) -> Any:
    if type(value) is not dict or len(value) != 2:
        raise Invalid("expected an object with space and externalId")
    space, external_id = value.get("space"), value.get("externalId")
    if type(space) is not str or type(external_id) is not str or not checks.SPACE.fullmatch(space):
        raise Invalid("expected an object with space and externalId")
    if not 1 <= len(external_id) <= checks.MAX_INSTANCE_ID or "\0" in external_id:
        raise Invalid(f"externalId must have 1 to {checks.MAX_INSTANCE_ID} characters")
    return {"space": space, "externalId": external_id}


_CHECKS: dict[str, Check] = {
    "boolean": boolean,
    "int32": _integer_check(32),
    "int64": _integer_check(64),
    "float32": _float32,
    "float64": _float64,
    "timestamp": _timestamp,
    "date": _date,
    "json": _json,
    "direct": _relation,
    **dict.fromkeys(REFERENCES, text(255)),
}
#: of numbers in filters: they may be out of the property's range
any_number = integer(-(1 << 63), (1 << 63) - 1)


def _list_check(one: Check, kind: Mapping[str, Any]) -> Check:
    maximum = kind.get("maxListSize") or (MAX_RELATIONS if kind["type"] == "direct" else MAX_LIST)
    total = {"text": MAX_TEXT, "json": MAX_JSON}.get(kind["type"])

    def check(value: Any) -> Any:
        if type(value) is not list:
            raise expected("a list", value)
        if len(value) > maximum:
            raise Invalid(f"must have at most {maximum} elements, has {len(value)}")
        result = [one(element) for element in value]
        if total is not None and len(orjson.dumps(result)) > total + 3 * len(result) + 2:
            raise Invalid(f"must have at most {total} bytes in total")
        return result

    return check
