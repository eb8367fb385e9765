# SPDX-License-Identifier: Apache-2.0
"""Everything that data modeling keeps for one project."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.models.instance_store import InstanceStore
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.project import Project


class Models:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.schema = Schema()
        self.instances = InstanceStore(project.clock)


def models_of(project: Project) -> Models:
    """The project's schema and instances, made at first use."""
    return project.extension("models", Models)
