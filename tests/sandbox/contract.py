# SPDX-License-Identifier: Apache-2.0
"""The vendor's OpenAPI document, patched where it contradicts the service's own clients, and answers checked against it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import orjson

DOCUMENT = Path(__file__).parents[2] / "../shared/reference/cdf-openapi-subset.json"

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        }
    },
}
#: How many items of a list are looked at: checking all thousand of a page takes seconds.
_SAMPLE = 3


@functools.cache
def document() -> dict[str, Any]:
    """Raises FileNotFoundError if the document is not there: those who use it skip themselves."""
    spec: dict[str, Any] = orjson.loads(DOCUMENT.read_bytes())
    for node in _objects(spec):
        _relax(node)
    _shorten(spec)
    for path, methods in spec["paths"].items():
        for operation in methods.values():
            if isinstance(operation, dict):
                _patch(path, operation, spec)
    return spec


def _shorten(spec: dict[str, Any]) -> None:
    """Queries of fifty expressions, each with filters of filters, take minutes to make up: two have the same shapes."""
    for name in ("QueryRequest", "SyncRequest"):
        for value in spec["components"]["schemas"][name]["properties"].values():
            if value.get("type") == "object" and "additionalProperties" in value:
                value["maxProperties"] = 2


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def _resolved(schema: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        node = spec
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    return schema


def _reachable(node: dict[str, Any], spec: dict[str, Any], seen: set[int] | None = None) -> Iterator[dict[str, Any]]:
    """Everything below, through references."""
    seen = set() if seen is None else seen
    for found in list(_objects(_resolved(node, spec))):
        if id(found) not in seen:
            seen.add(id(found))
            yield found
            if "$ref" in found:
                yield from _reachable(found, spec, seen)


def _relax(node: dict[str, Any]) -> None:
    # Alternatives overlap nearly everywhere: set/add/remove, raw/aggregate points, id/externalId.
    if isinstance(node.get("oneOf"), list):
        node["anyOf"] = node.pop("oneOf")
        # Values of sequence rows: the words allow null, the types do not.
        if any("May include NULL" in one.get("description", "") for one in node["anyOf"]):
            node["anyOf"].append({"type": "null"})
    # External ids of instances may hold anything but NUL; escaped once too often, that excludes \\, x and 0.
    if node.get("pattern") == r"^[^\\x00]{1,256}$":
        node["pattern"] = r"^[^\x00]{1,256}$"
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return
    # The clients send `"cursor": null` for the first page.
    if properties.get("cursor") == {"type": "string"} or properties.get("cursor", {}).get("type") == "string":
        properties["cursor"] = {"type": ["string", "null"]}
    required = node.get("required")
    if isinstance(required, list):
        node["required"] = [name for name in required if not _is_wrongly_required(name, properties)]


def _is_wrongly_required(name: str, properties: dict[str, Any]) -> bool:
    """Columns of sequences are said to need an id, unique values and properties a ``property``, aggregates of instances
    ``properties``: none of them is described."""
    if name in properties:
        return False
    return (name == "id" and "valueType" in properties) or name in ("property", "properties")


def _patch(path: str, operation: dict[str, Any], spec: dict[str, Any]) -> None:
    responses = {status: _resolved(response, spec) for status, response in operation["responses"].items()}
    operation["responses"] = responses
    if path in ("/files/uploadlink", "/files/multiuploadlink"):
        for response in responses.values():
            for content in response.get("content", {}).values():
                content["schema"] = {
                    "type": "object",
                    "properties": {"items": {"type": "array", "items": content["schema"]}},
                }
    if path.startswith("/relationships/") or path.endswith("/aggregate"):
        # Lists are said to hold at least one item, but nothing may match.
        for response in responses.values():
            for schema in _reachable(response, spec):
                schema.get("properties", {}).get("items", {}).pop("minItems", None)
    if path.startswith("/models/"):
        for response in responses.values():
            _relax_models(response, spec)
    for status in [status for status in responses if status.startswith(("4", "5"))]:
        del responses[status]
    responses["default"] = {"description": "error", "content": {"application/json": {"schema": _ERROR}}}


def _relax_models(response: dict[str, Any], spec: dict[str, Any]) -> None:
    """Nothing may have been deleted, and then ``deleted`` is not there; property identifiers may begin with a digit and hold
    dashes (as the words on containers say), also where a view names the container's property; the values of an enum may have
    neither name nor description (as the document's own example shows)."""
    for schema in _reachable(response, spec):
        if isinstance(schema.get("required"), list):
            schema["required"] = [name for name in schema["required"] if name != "deleted"]
        if schema.get("type") == "array" and schema.get("maxItems") in (100, 1000):
            schema.pop("minItems", None)
        # Said of what is written and of what is read alike; but an instance may have data in a view and all of it null.
        if str(schema.get("description")).startswith("Group of property values"):
            schema.pop("minProperties", None)
        if schema.get("x-additionalPropertiesName") == "enumValueIdentifier":
            schema.pop("minProperties", None)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            # "When you do not specify any aggregates", only groups are answered.
            for name in ("items", "deleted", "aggregates"):
                properties.get(name, {}).pop("minItems", None)
            for name in ("containerPropertyIdentifier", "identifier"):
                if name in properties:
                    properties[name] = {"type": "string"}


@functools.cache
def _validator(method: str, path: str, status: str) -> jsonschema.Draft202012Validator | None:
    spec = document()
    operation = spec["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return None
    if status not in operation["responses"]:
        raise jsonschema.ValidationError(f"{method} {path} is not documented to answer {status}")
    schema = operation["responses"][status].get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    return jsonschema.Draft202012Validator({**schema, "components": spec["components"]})


def check_answer(method: str, path: str, status: int, answer: Any) -> None:
    """Raises jsonschema.ValidationError if the contract knows the operation and the answer breaks it. ``path`` is the template."""
    validator = _validator(method, path, "default" if status >= 400 else str(status)) if DOCUMENT.exists() else None
    if validator is None:
        return
    if isinstance(answer, dict) and isinstance(answer.get("items"), list):
        answer = {**answer, "items": answer["items"][:_SAMPLE]}
    validator.validate(answer)
