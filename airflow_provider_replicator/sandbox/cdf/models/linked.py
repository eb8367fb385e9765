# SPDX-License-Identifier: Apache-2.0
"""Time series and files that nodes are: made, changed and removed with the nodes' data in ``CogniteTimeSeries`` and ``CogniteFile``.

The service does this some seconds later; here it happens with the write."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_replicator.sandbox.cdf.collection import Collection
from airflow_provider_replicator.sandbox.cdf.file_content import contents_of
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.models.instance_store import (
    ContainerKey,
    Instance,
    InstanceStore,
    encoded,
)
from airflow_provider_replicator.sandbox.cdf.models.system import CORE, UNITS
from airflow_provider_replicator.sandbox.cdf.project import Project
from airflow_provider_replicator.sandbox.cdf.resources import FILES, TIME_SERIES

SERIES: ContainerKey = (CORE, "CogniteTimeSeries")
FILE: ContainerKey = (CORE, "CogniteFile")
_DESCRIBABLE: ContainerKey = (CORE, "CogniteDescribable")
_COLLECTIONS = {SERIES: Collection(TIME_SERIES), FILE: Collection(FILES)}


class Linked:
    """Hooks of the instance store of one project, and of the content of its files."""

    def __init__(self, project: Project, instances: InstanceStore) -> None:
        self._project = project
        self._instances = instances
        instances.on_write.append(self.written)
        instances.on_delete.append(self.deleted)
        contents_of(project).on_upload.append(self.uploaded)

    def written(self, instances: list[Instance]) -> None:
        for container, collection in _COLLECTIONS.items():
            for one in instances:
                if container in one.data:
                    self._put(collection, _series(one) if container == SERIES else _file(one))

    def _put(self, collection: Collection, doc: Document) -> None:
        store = collection.store(self._project)
        found = store.by_instance_id.get((doc["instanceId"]["space"], doc["instanceId"]["externalId"]))
        if found is None:
            collection.add(self._project, [{**collection.kind.defaults, **doc}])
            return
        now = self._project.next_timestamp()
        kept = {name: value for name, value in found.doc.items() if name not in _FROM_NODE or name in doc}
        store.replace([(found, {**kept, **doc, "lastUpdatedTime": now})], time=now)

    def deleted(self, instances: list[Instance]) -> None:
        for container, collection in _COLLECTIONS.items():
            store = collection.store(self._project)
            nodes = [one.reference for one in instances if container in one.data]
            entries = [entry for node in nodes if (entry := store.by_instance_id.get(node)) is not None]
            if entries:
                store.remove(entries, time=self._project.next_timestamp())

    def uploaded(self, document: Document) -> None:
        """The node of a file says so when its content has come."""
        node = document.get("instanceId")
        found = self._instances.find("node", node["space"], node["externalId"]) if node else None
        if found is None:
            return
        when = datetime.fromtimestamp(document["uploadedTime"] / 1000, UTC).isoformat(timespec="milliseconds")
        properties = {**found.properties(FILE), "isUploaded": True, "uploadedTime": when}
        data = {**found.data, FILE: encoded(properties)}
        now = document["uploadedTime"]
        self._instances.update(found, time=now, of_type=found.type, start=None, end=None, data=data)


#: what a classic document takes from its node: gone there, gone here
_FROM_NODE = frozenset({"name", "description", "unit", "unitExternalId", "mimeType", "directory"})


def _common(one: Instance) -> dict[str, Any]:
    described = one.properties(_DESCRIBABLE)
    return {
        "instanceId": {"space": one.space, "externalId": one.external_id},
        "name": described.get("name"),
        "description": described.get("description"),
    }


def _series(one: Instance) -> Document:
    properties = one.properties(SERIES)
    unit = properties.get("unit") or {}
    doc = {
        **_common(one),
        "isString": properties.get("type") == "string",
        "isStep": bool(properties.get("isStep")),
        "unit": properties.get("sourceUnit"),
        "unitExternalId": unit.get("externalId") if unit.get("space") == UNITS else None,
    }
    return {name: value for name, value in doc.items() if value is not None}


def _file(one: Instance) -> Document:
    properties = one.properties(FILE)
    common = _common(one)
    common.pop("description")
    doc = {
        **common,
        "name": common["name"] or one.external_id,
        "mimeType": properties.get("mimeType"),
        "directory": properties.get("directory"),
    }
    return {name: value for name, value in doc.items() if value is not None}
