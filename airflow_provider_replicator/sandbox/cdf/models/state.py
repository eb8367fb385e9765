# SPDX-License-Identifier: Apache-2.0
"""Everything that data modeling keeps for one project."""

from __future__ import annotations

from airflow_provider_replicator.sandbox.cdf.models import system
from airflow_provider_replicator.sandbox.cdf.models.instance_store import InstanceStore
from airflow_provider_replicator.sandbox.cdf.models.linked import Linked
from airflow_provider_replicator.sandbox.cdf.models.schema import Schema
from airflow_provider_replicator.sandbox.cdf.project import Project


class Models:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.schema = Schema()
        system.install(self.schema)
        self.instances = InstanceStore(project.clock)
        #: nodes of global spaces: found by key like all others, but listed only by who asks for their space
        self.global_instances = system.unit_nodes(project.clock)
        self.instances.by_key.update(self.global_instances.by_key)
        Linked(project, self.instances)


def models_of(project: Project) -> Models:
    """The project's schema and instances, made at first use."""
    return project.extension("models", Models)
