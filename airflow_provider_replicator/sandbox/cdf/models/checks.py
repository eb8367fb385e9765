# SPDX-License-Identifier: Apache-2.0
"""Reading the parts of definitions and instances from requests: identifiers, references, texts, flags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError

SPACE = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,41}[a-zA-Z0-9]?")
RESERVED_SPACES = frozenset({"space", "cdf", "dms", "pg3", "shared", "system", "node", "edge"})
EXTERNAL_ID = re.compile(r"[a-zA-Z]([a-zA-Z0-9_]{0,253}[a-zA-Z0-9])?")
VERSION = re.compile(r"[a-zA-Z0-9]([.a-zA-Z0-9_-]{0,41}[a-zA-Z0-9])?")
PROPERTY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,253}[a-zA-Z0-9]?")
RESERVED_PROPERTIES = frozenset(
    {
        "space",
        "externalId",
        "createdTime",
        "lastUpdatedTime",
        "deletedTime",
        "edge_id",
        "node_id",
        "project_id",
        "property_group",
        "seq",
        "tg_table_name",
        "extensions",
    }
)
MAX_INSTANCE_ID = 256

Item = Mapping[str, Any]


def violation(message: str) -> ApiError:
    """A broken constraint of a request, in the service's words."""
    return ApiError(400, f"Request had 1 constraint violations. Please fix the request and try again. [{message}]")


def an_object(value: Any, path: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise ApiError(400, f"{path}: expected an object")
    return value


def a_list(value: Any, path: str, maximum: int, minimum: int = 0) -> list[Any]:
    if type(value) is not list:
        raise ApiError(400, f"{path}: expected a list")
    if not minimum <= len(value) <= maximum:
        raise violation(f"{path} size must be between {minimum} and {maximum}")
    return value


def one_of(item: Item, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
    value = item.get(name, default)
    if value is None and default is not None:
        return default
    if type(value) is not str or value not in allowed:
        raise ApiError(400, f"{name}: must be one of {', '.join(allowed)}")
    return value


def flag(item: Item, name: str, *, default: bool = False) -> bool:
    value = item.get(name)
    if value is None:
        return default
    if type(value) is not bool:
        raise ApiError(400, f"{name}: expected a boolean")
    return value


def integer(item: Item, name: str, minimum: int, maximum: int) -> int | None:
    value = item.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise ApiError(400, f"{name}: expected an integer")
    if not minimum <= value <= maximum:
        raise violation(f"{name} must be between {minimum} and {maximum}")
    return value


def identifier(item: Item, name: str, pattern: re.Pattern[str]) -> str:
    value = item.get(name)
    if type(value) is not str:
        raise ApiError(400, f"{name}: {'is required' if value is None else 'expected a string'}")
    if not pattern.fullmatch(value):
        raise violation(f'{name} must match "^{pattern.pattern}$"')
    return value


def instance_id(item: Item, path: str = "externalId") -> str:
    """The externalId of a node or edge: 1 to 256 characters, no NUL."""
    value = item.get("externalId")
    if type(value) is not str:
        raise ApiError(400, f"{path}: {'is required' if value is None else 'expected a string'}")
    if not 1 <= len(value) <= MAX_INSTANCE_ID or "\0" in value:
        raise violation(f"{path} size must be between 1 and {MAX_INSTANCE_ID}")
    return value


def node_reference(value: Any, path: str) -> tuple[str, str]:
    """``{"space", "externalId"}`` of a node."""
    item = an_object(value, path)
    return identifier(item, "space", SPACE), instance_id(item, f"{path}.externalId")


def texts(item: Item, **maxima: int) -> dict[str, str]:
    """The optional texts of a definition that are there, such as ``name=255``."""
    found = {}
    for name, maximum in maxima.items():
        value = item.get(name)
        if value is None:
            continue
        if type(value) is not str:
            raise ApiError(400, f"{name}: expected a string")
        if len(value) > maximum:
            raise violation(f"{name} size must be between 0 and {maximum}")
        found[name] = value
    return found


def container_reference(value: Any, path: str) -> dict[str, str]:
    item = an_object(value, path)
    if item.get("type", "container") != "container":
        raise ApiError(400, f"{path}.type: must be container")
    return {
        "type": "container",
        "space": identifier(item, "space", SPACE),
        "externalId": identifier(item, "externalId", EXTERNAL_ID),
    }


def view_reference(value: Any, path: str) -> dict[str, str]:
    item = an_object(value, path)
    if item.get("type", "view") != "view":
        raise ApiError(400, f"{path}.type: must be view")
    return {
        "type": "view",
        "space": identifier(item, "space", SPACE),
        "externalId": identifier(item, "externalId", EXTERNAL_ID),
        "version": identifier(item, "version", VERSION),
    }


def source_reference(value: Any, path: str) -> dict[str, str]:
    """A view or a container, told apart by ``type``."""
    item = an_object(value, path)
    if item.get("type") == "view":
        return view_reference(item, path)
    if item.get("type") == "container":
        return container_reference(item, path)
    raise ApiError(400, f"{path}.type: must be one of view, container")
