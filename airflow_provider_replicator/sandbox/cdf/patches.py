# SPDX-License-Identifier: Apache-2.0
"""``/update`` bodies: from a document and its patches to the new document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import Check, Field, Invalid
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document

#: (present value or None, patch, check) -> new value; None: the property goes
Patcher = Callable[[Any, dict[str, Any], Check], Any]
#: (old document, patch, timestamp) -> new value
CustomPatcher = Callable[[Document, Any], Any]


def patched(
    old: Document, update: Any, fields: Mapping[str, Field], custom: Mapping[str, CustomPatcher], path: str
) -> Document:
    """A changed copy. Unknown properties are ignored, as the service does; those that cannot be updated are 400."""
    if type(update) is not dict:
        raise ApiError(400, f"{path}: expected an object")
    new = dict(old)
    for name, patch in update.items():
        field = fields.get(name)
        if field is None:
            continue
        try:
            value = _value(old, name, patch, field, custom)
        except Invalid as error:
            raise ApiError(400, f"{path}.{name}: {error}") from error
        if value is None:
            new.pop(name, None)
        else:
            new[name] = value
    return new


def _value(old: Document, name: str, patch: Any, field: Field, custom: Mapping[str, CustomPatcher]) -> Any:
    if field.patch is None:
        raise Invalid("cannot be updated")
    if type(patch) is not dict:
        raise Invalid("expected an object with set, setNull, add or remove")
    if field.patch == "custom":
        return custom[name](old, patch)
    return _PATCHERS[field.patch](old.get(name), patch, field.check)


def patch_value(present: Any, patch: dict[str, Any], check: Check) -> Any:
    """``{"set": v}`` or ``{"setNull": true}``."""
    if "set" in patch and "setNull" not in patch:
        return check(patch["set"])
    if "set" not in patch and type(patch.get("setNull")) is bool:
        return None if patch["setNull"] else present
    raise Invalid("expected either set or setNull")


def patch_required(present: Any, patch: dict[str, Any], check: Check) -> Any:
    if set(patch) != {"set"}:
        raise Invalid("expected set; this property cannot be removed")
    return check(patch["set"])


def patch_object(present: Any, patch: dict[str, Any], check: Check) -> Any:
    """``{"set": {}}`` or ``{"add": {}, "remove": [keys]}``."""
    if "set" in patch:
        _only(patch, "set")
        return check(patch["set"])
    _only(patch, "add", "remove")
    added = check(patch.get("add", {}))
    removed = patch.get("remove", [])
    if type(removed) is not list or any(type(key) is not str for key in removed):
        raise Invalid("remove: expected a list of keys")
    kept = {key: value for key, value in (present or {}).items() if key not in removed}
    return check({**kept, **added})


def patch_list(present: Any, patch: dict[str, Any], check: Check) -> Any:
    """``{"set": []}`` or ``{"add": [], "remove": []}``. Adding what is there already changes nothing."""
    if "set" in patch:
        _only(patch, "set")
        return check(patch["set"])
    _only(patch, "add", "remove")
    added = check(patch.get("add", []))
    removed = check(patch.get("remove", []))
    kept = [element for element in present or [] if element not in removed]
    return check(kept + [element for element in added if element not in kept])


def patch_labels(present: Any, patch: dict[str, Any], check: Check) -> Any:
    """As lists, but an asset or file without labels has no ``labels`` at all."""
    return patch_list(present, patch, check) or None


def _only(patch: dict[str, Any], *allowed: str) -> None:
    if not patch or set(patch) - set(allowed):
        raise Invalid(f"expected {' and '.join(allowed)}")


_PATCHERS: dict[str, Patcher] = {
    "value": patch_value,
    "required": patch_required,
    "object": patch_object,
    "list": patch_list,
    "labels": patch_labels,
}
