# SPDX-License-Identifier: Apache-2.0
"""References to other documents must point to something when they are written. (They may dangle later.)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.project import Project


def check_references(project: Project, references: Mapping[str, str], docs: Iterable[Document]) -> None:
    """Raises 400 with ``missing`` if a document refers to what is not there."""
    for name, other in references.items():
        values = [doc[name] for doc in docs if name in doc]
        if values:
            _check(name, other, values, project)


def _check(name: str, other: str, values: list[Any], project: Project) -> None:
    store = project.store(other)
    missing: list[Document]
    if name == "labels":
        wanted = {label["externalId"] for labels in values for label in labels}
        missing = [{"externalId": label} for label in sorted(wanted - store.by_external_id.keys())]
    else:
        ids = {number for numbers in values for number in numbers} if isinstance(values[0], list) else set(values)
        missing = [{"id": number} for number in sorted(ids - store.by_id.keys())]
    if missing:
        raise ApiError(
            400, f"{name}: {other} not found: {[next(iter(item.values())) for item in missing[:10]]}", missing=missing
        )
