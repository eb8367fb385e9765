# SPDX-License-Identifier: Apache-2.0
"""Message classes for the points themselves, for what cannot be done on fixed-width records.

Described here, in a pool of their own, instead of imported from the official client: that import costs half a second and
eighty megabytes, and the classes are private there.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

_PACKAGE = "replicator"


class Messages(NamedTuple):
    """``numeric`` and ``string``: a message of repeated ``datapoints`` with timestamp, value, status {code, symbol}, nullValue."""

    numeric: Any
    string: Any


@cache
def messages() -> Messages:
    """The classes, made at the first call."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")

    def message(name: str, *described: tuple[str, int, int, str]) -> None:
        added = file.message_type.add(name=name)
        for field_name, number, kind, type_name in described:
            label = field.LABEL_REPEATED if field_name == "datapoints" else field.LABEL_OPTIONAL
            added.field.add(name=field_name, number=number, type=kind, label=label, type_name=type_name or None)

    status = f".{_PACKAGE}.Status"
    message("Status", ("code", 1, field.TYPE_INT64, ""), ("symbol", 2, field.TYPE_STRING, ""))
    for name, value in (("Numeric", field.TYPE_DOUBLE), ("String", field.TYPE_STRING)):
        message(
            f"{name}Datapoint",
            ("timestamp", 1, field.TYPE_INT64, ""),
            ("value", 2, value, ""),
            ("status", 3, field.TYPE_MESSAGE, status),
            ("nullValue", 4, field.TYPE_BOOL, ""),
        )
        message(f"{name}Datapoints", ("datapoints", 1, field.TYPE_MESSAGE, f".{_PACKAGE}.{name}Datapoint"))

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    classes = [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}Datapoints"))
        for name in ("Numeric", "String")
    ]
    return Messages(*classes)
