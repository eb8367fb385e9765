# SPDX-License-Identifier: Apache-2.0
"""Where to look at a replication: its document in Fauxton, and the dashboard of IBM Cloudant.

A task pushes the addresses as XCom as soon as it knows its document, so that they lead somewhere while it runs or is deferred.
They hold no credentials: whoever follows one logs in there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

#: Ends of the host names under which IBM serves Cloudant, and with it the dashboard.
_CLOUDANT_HOSTS = (".cloudant.com", ".cloudantnosqldb.appdomain.cloud")
#: The attribute of an operator that holds what it has pushed.
_URLS = "_link_urls"


class _PushedLink(BaseOperatorLink):
    """An address that the task has pushed. Empty where it has pushed none: Airflow then shows the button as disabled."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Airflow asks once more when the task ends, in the same process, and keeps the answer."""
        urls: dict[str, str] = getattr(operator, _URLS, {})
        return urls.get(self.xcom_key, "")


class ReplicationDocumentLink(_PushedLink):
    """The replication's document in Fauxton; for a task with several, the database of documents."""

    name = "Replication document"


class CloudantDashboardLink(_PushedLink):
    """The list of replications in the dashboard of IBM Cloudant. Empty for other servers."""

    name = "Cloudant dashboard"


def push_links(context: Context, *, base_url: str, replicator_db: str, doc_id: str | None) -> None:
    """Push where to look at ``doc_id`` (None: at all documents) of ``replicator_db`` on the server at ``base_url``."""
    urls = {
        ReplicationDocumentLink().xcom_key: document_url(base_url, replicator_db, doc_id),
        CloudantDashboardLink().xcom_key: dashboard_url(base_url),
    }
    for key, url in urls.items():
        context["ti"].xcom_push(key=key, value=url)
    setattr(context["task"], _URLS, urls)


def document_url(base_url: str, replicator_db: str, doc_id: str | None) -> str:
    """Fauxton's page of a document, or of its database."""
    page = f"{_without_credentials(base_url)}/_utils/#/database/{quote(replicator_db, safe='')}/"
    return page + ("_all_docs" if doc_id is None else quote(doc_id, safe=""))


def dashboard_url(base_url: str) -> str:
    """The dashboard of an instance of IBM Cloudant, or an empty text for another server."""
    parts = urlsplit(base_url)
    if not (parts.hostname or "").endswith(_CLOUDANT_HOSTS):
        return ""
    return f"https://{parts.hostname}/dashboard.html#replication"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
