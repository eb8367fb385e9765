# SPDX-License-Identifier: Apache-2.0
"""Every printable character in a password, and that it is nowhere but in the document."""

from __future__ import annotations

import logging
import string
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_provider_replicator.couchdb import databases
from airflow_provider_replicator.couchdb.auth.credentials import BasicAuth
from airflow_provider_replicator.couchdb.blocking import run
from airflow_provider_replicator.couchdb.jobs.choices import Policies, WaitLimits
from airflow_provider_replicator.couchdb.jobs.finish import finish
from airflow_provider_replicator.couchdb.jobs.submit import submit
from airflow_provider_replicator.couchdb.jobs.wait import wait
from airflow_provider_replicator.exceptions import ReplicatorError
from tests.couchdb.jobs.pair import LIMITS, NOWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_replicator.couchdb.connection import CouchConnection
    from tests.couchdb.jobs.pair import Pair

PASSWORD = "".join(sorted(set(string.printable) - set(string.whitespace))) + " üß€"
FORMS = {PASSWORD, quote(PASSWORD, safe=""), b64encode(PASSWORD.encode()).decode()}


@pytest.fixture
def writer(couch: CouchConnection, pair: Pair) -> Iterator[CouchConnection]:
    """A user with that password, who may do anything with the two databases."""
    name = f"user-{pair.dag_id}"
    user = {"name": name, "password": PASSWORD, "roles": [], "type": "user"}
    run(databases.put_document(pair.client, "_users", f"org.couchdb.user:{name}", user))
    members = {"admins": {"names": [name], "roles": ["_admin"]}, "members": {"names": [name], "roles": ["_admin"]}}
    for database in (pair.source, pair.target):
        run(pair.client.put(database, "_security", json=members))
    yield replace(couch, name="writer", auth=BasicAuth(name, PASSWORD))
    document = run(databases.get_document(pair.client, "_users", f"org.couchdb.user:{name}"))
    assert document is not None
    run(databases.delete_document(pair.client, "_users", document["_id"], document["_rev"]))


def test_the_password_works_and_is_nowhere(
    pair: Pair, writer: CouchConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pair.fill(3)
    shown: list[Any] = []
    arguments = {"owner": pair.owner(), "policies": Policies(keep_document=True)}
    job = run(submit(pair.client, writer, writer, pair.options(), **arguments))  # type: ignore[arg-type]
    outcome = run(wait(pair.client, job, LIMITS, on_progress=shown.append, source=pair.client, target=pair.client))
    report = run(finish(pair.client, pair.client, pair.client, job, outcome, arguments["policies"]))  # type: ignore[arg-type]
    stored = run(databases.get_document(pair.client, "_replicator", job.doc_id))
    assert stored is not None
    assert stored["source"]["auth"]["basic"]["password"] == PASSWORD
    assert len(pair.ids()) == 3
    seen = [job, job.to_dict(), outcome, outcome.to_dict(), report, *shown, caplog.text]
    seen += [progress.line() for progress in shown]
    assert not found(seen)


@pytest.mark.parametrize("options", [{"target_proxy": NOWHERE}, {"filter": "no/such"}, {"create_target": True}])
def test_the_password_is_in_no_error(
    pair: Pair, writer: CouchConnection, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = replace(writer, auth=BasicAuth("nobody", PASSWORD))
    ends = (writer, wrong) if "create_target" in options else (writer, writer)
    policies = Policies()
    job = run(submit(pair.client, *ends, pair.options(**options), owner=pair.owner(), policies=policies))
    outcome = run(wait(pair.client, job, WaitLimits(timeout=30, max_crashes=1, grace_crashes=0)))
    with pytest.raises(ReplicatorError) as failed:
        run(finish(pair.client, pair.client, pair.client, job, outcome, policies))
    error = failed.value
    assert outcome.state.error is not None
    assert not found([error, repr(error), error.__dict__, outcome, outcome.to_dict(), caplog.text])


def found(seen: list[Any]) -> list[str]:
    """What shows the password, in any form."""
    texts = [text for one in seen for text in (str(one), repr(one))]
    return [text for text in texts if any(form in text or repr(form)[1:-1] in text for form in FORMS)]
