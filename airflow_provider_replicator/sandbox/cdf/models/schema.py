# SPDX-License-Identifier: Apache-2.0
"""Spaces, containers, views and data models of one project."""

from __future__ import annotations

from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.models.containers import Container
from airflow_provider_replicator.sandbox.cdf.models.instance_store import ContainerKey
from airflow_provider_replicator.sandbox.cdf.models.views import StoredView, View, ViewKey, described_key


class Space:
    def __init__(self, definition: dict[str, Any], *, created: int, updated: int, is_global: bool = False) -> None:
        self.definition = definition
        self.key: tuple[str] = (definition["space"],)
        self.created = created
        self.updated = updated
        self.is_global = is_global

    @property
    def doc(self) -> dict[str, Any]:
        return {
            **self.definition,
            "createdTime": self.created,
            "lastUpdatedTime": self.updated,
            "isGlobal": self.is_global,
        }


class DataModel:
    def __init__(self, definition: dict[str, Any], *, created: int, updated: int, is_global: bool = False) -> None:
        self.definition = definition
        self.key: ViewKey = (definition["space"], definition["externalId"], definition["version"])
        self.created = created
        self.updated = updated
        self.is_global = is_global


class Schema:
    """``revision`` rises with every change: whatever is compiled from the schema is good for one revision."""

    def __init__(self) -> None:
        self.revision = 0
        self.spaces: dict[tuple[str], Space] = {}
        self.containers: dict[ContainerKey, Container] = {}
        self.views: dict[ViewKey, StoredView] = {}
        self.data_models: dict[ViewKey, DataModel] = {}
        self._resolved: dict[ViewKey, View] = {}

    def changed(self) -> None:
        self.revision += 1
        self._resolved.clear()

    def view(self, key: ViewKey) -> View | None:
        """The view with everything it inherits."""
        found = self._resolved.get(key)
        if found is None:
            stored = self.views.get(key)
            if stored is None:
                return None
            found = self._resolved[key] = View(stored, self)
        return found

    def the_view(self, key: ViewKey) -> View:
        """Raises 400 if there is none."""
        found = self.view(key)
        if found is None:
            raise ApiError(400, f"One or more views do not exist: '{described_key(key)}'")
        return found

    def the_container(self, key: ContainerKey) -> Container:
        """Raises 400 if there is none."""
        found = self.containers.get(key)
        if found is None:
            raise ApiError(400, f"One or more containers do not exist: '{described_key(key)}'")
        return found

    def check_spaces(self, names: set[str]) -> None:
        """Raises 400 if one is not there."""
        missing = sorted(name for name in names if (name,) not in self.spaces)
        if missing:
            raise ApiError(400, f"One or more spaces do not exist: {', '.join(missing)}")
