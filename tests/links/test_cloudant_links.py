# SPDX-License-Identifier: Apache-2.0
"""Links lead to the right page, with every character of an id, and never with credentials."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_replicator.links.cloudant import (
    CloudantDashboardLink,
    ReplicationDocumentLink,
    dashboard_url,
    document_url,
    push_links,
)


@pytest.mark.parametrize(
    ("base_url", "replicator_db", "doc_id", "expected"),
    [
        ("http://couch:5984", "_replicator", "a", "http://couch:5984/_utils/#/database/_replicator/a"),
        (
            "https://c/db/",
            "t/_replicator",
            "ü/b+c %",
            "https://c/db/_utils/#/database/t%2F_replicator/%C3%BC%2Fb%2Bc%20%25",
        ),
        ("https://name:secret@c:1/", "_replicator", "a", "https://c:1/_utils/#/database/_replicator/a"),
        ("https://c", "_replicator", None, "https://c/_utils/#/database/_replicator/_all_docs"),
    ],
)
def test_a_document_is_found_in_fauxton(base_url: str, replicator_db: str, doc_id: str | None, expected: str) -> None:
    assert document_url(base_url, replicator_db, doc_id) == expected


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://acme.cloudant.com", "https://acme.cloudant.com/dashboard.html#replication"),
        (
            "https://user:secret@1b-bluemix.cloudantnosqldb.appdomain.cloud:443/",
            "https://1b-bluemix.cloudantnosqldb.appdomain.cloud/dashboard.html#replication",
        ),
        ("http://127.0.0.1:5984", ""),
        ("https://cloudant.com.example.org", ""),
    ],
)
def test_only_cloudant_has_a_dashboard(base_url: str, expected: str) -> None:
    assert dashboard_url(base_url) == expected


def test_a_task_pushes_its_links_and_airflow_asks_for_them_again() -> None:
    pushed: dict[str, Any] = {}
    task: Any = SimpleNamespace()
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    context: Any = {"ti": ti, "task": task}
    links = (ReplicationDocumentLink(), CloudantDashboardLink())
    key: Any = None
    assert [link.get_link(task, ti_key=key) for link in links] == ["", ""]
    push_links(context, base_url="https://acme.cloudant.com", replicator_db="_replicator", doc_id="a")
    assert [link.get_link(task, ti_key=key) for link in links] == list(pushed.values())
    assert list(pushed) == ["_link_ReplicationDocumentLink", "_link_CloudantDashboardLink"]
    assert [link.name for link in links] == ["Replication document", "Cloudant dashboard"]
