# SPDX-License-Identifier: Apache-2.0
"""What can be written into ``_replicator``, and how the rest is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.couchdb.client import refused

if TYPE_CHECKING:
    from tests.contract.couchdb.client import Database
    from tests.contract.couchdb.jobs import Jobs
    from tests.contract.couchdb.server import Server

ABSENT = "(left out)"
LOCAL = "local_endpoints_not_supported"
BAD_URL = "endpoint has an invalid url"
CLAUSE = "{error,function_clause}"
BADARG = "{error,badarg}"


def thrown(text: str) -> str:
    return '{throw,{bad_request,<<"' + text + '">>}}'


def must_be(name: str, what: str) -> str:
    return thrown(f"parameter `{name}` must be {what}")


EXCLUSIVE = '{throw,{bad_request,"`doc_ids`,`filter`,`selector` are mutually exclusive"}}'
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": ABSENT}, "Missing replicator database"),
    ({"target": ABSENT}, "Missing replicator database"),
    ({"source": None}, CLAUSE),
    ({"source": 5}, CLAUSE),
    ({"source": "db"}, LOCAL),
    ({"source": "/db"}, LOCAL),
    ({"source": ""}, LOCAL),
    ({"source": "ftp://127.0.0.1/db"}, LOCAL),
    ({"source": "http://"}, BAD_URL),
    ({"source": "http://host:abc/db"}, BAD_URL),
    ({"source": {}}, BAD_URL),
    ({"source": {"url": 5}}, BAD_URL),
    ({"target": {"url": "db"}}, BAD_URL),
    ({"continuous": "yes"}, must_be("continuous", "a boolean")),
    ({"continuous": None}, must_be("continuous", "a boolean")),
    ({"create_target": 1}, must_be("create_target", "a boolean")),
    ({"create_target_params": []}, must_be("create_target_params", "a JSON object")),
    ({"doc_ids": "x"}, must_be("doc_ids", "an array")),
    ({"doc_ids": [1]}, CLAUSE),
    ({"doc_ids": ["a"], "filter": "a/b"}, EXCLUSIVE),
    ({"doc_ids": ["a"], "selector": {}}, EXCLUSIVE),
    ({"filter": "a/b", "selector": {}}, EXCLUSIVE),
    ({"filter": "one"}, "Invalid filter. Must match `ddocname/filtername`."),
    ({"filter": None}, BADARG),
    ({"query_params": "x"}, must_be("query_params", "an object")),
    ({"query_params": None}, must_be("query_params", "an object")),
    ({"selector": None}, must_be("selector", "a JSON object")),
    ({"selector": []}, must_be("selector", "a JSON object")),
    ({"selector": {"$foo": 1}}, '{throw,{mango_error,mango_selector,{invalid_operator,<<"$foo">>}}}'),
    ({"checkpoint_interval": "x"}, BADARG),
    ({"checkpoint_interval": None}, CLAUSE),
    ({"worker_processes": "a few"}, BADARG),
    ({"worker_processes": 1.5}, CLAUSE),
    ({"worker_processes": None}, CLAUSE),
    ({"worker_batch_size": "x"}, BADARG),
    ({"http_connections": "x"}, BADARG),
    ({"connection_timeout": "x"}, BADARG),
    ({"retries_per_request": "x"}, BADARG),
    ({"socket_options": "bad"}, CLAUSE),
    ({"socket_options": 5}, BADARG),
    ({"proxy": "ftp://127.0.0.1:1"}, "proxy has an invalid url"),
    ({"use_bulk_get": "x"}, must_be("use_bulk_get", "a boolean")),
    ({"winning_revs_only": None}, must_be("winning_revs_only", "a boolean")),
]
#: Nothing of this is looked at, or it means something to the server that nobody would think.
ACCEPTED: list[dict[str, Any]] = [
    {"batch_size": 5},
    {"airflow": {"dag_id": "x"}},
    {"doc_ids": None},
    {"doc_ids": []},
    {"create_target_params": {"q": 1}},
    {"since_seq": None},
    {"since_seq": 5},
    {"use_checkpoints": "x"},
    {"use_checkpoints": None},
    {"worker_processes": "3"},
    {"socket_options": "[{keepalive, true}]"},
    {"query_params": {"a": 1}},
    {"filter": "_design"},
    {"cancel": True},
    {"user_ctx": {"name": "x", "roles": []}},
]


def changed(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**body, **fields}.items() if value != ABSENT}


@pytest.mark.parametrize(("fields", "reason"), REFUSED, ids=lambda case: str(case)[:50])
def test_what_it_refuses(jobs: Jobs, db: Database, fields: dict[str, Any], reason: str) -> None:
    _, answer = jobs.put(changed(jobs.body(db, db), fields))
    assert refused(answer) == (403, "forbidden", reason)


@pytest.mark.parametrize("fields", ACCEPTED, ids=str)
def test_what_it_takes(jobs: Jobs, db: Database, fields: dict[str, Any]) -> None:
    job, answer = jobs.put(changed(jobs.body(db, db), fields))
    assert answer.status_code == 201, answer.text
    assert fields.items() <= job.doc().items()
    job.remove()


def test_one_proxy_for_each_end(jobs: Jobs, db: Database) -> None:
    both = {"proxy": "http://127.0.0.1:1", "source_proxy": "http://127.0.0.1:2"}
    _, answer = jobs.put(jobs.body(db, db, **both))
    reason = '{throw,{bad_request,"`proxy` is mutually exclusive with `source_proxy`"}}'
    assert refused(answer) == (403, "forbidden", reason)


def test_headers_and_credentials_are_looked_at(jobs: Jobs, server: Server, db: Database) -> None:
    def answer(**more: Any) -> tuple[int, str, str]:
        return refused(jobs.put(jobs.body(db, db, source={"url": server.at(db.name), **more}))[1])

    assert answer(headers="x") == (403, "forbidden", '{error,{badmatch,<<"x">>}}')
    assert answer(headers={"A": 1}) == (403, "forbidden", BADARG)
    assert answer(auth="x") == (403, "forbidden", '{error,{badmatch,<<"x">>}}')


def test_names_of_documents_and_members(jobs: Jobs, db: Database) -> None:
    _, reserved = jobs.put(jobs.body(db, db), "_x")
    assert refused(reserved) == (400, "illegal_docid", "Only reserved document ids may start with underscore.")
    _, member = jobs.put(jobs.body(db, db, _airflow=1))
    assert refused(member) == (400, "doc_validation", "Bad special document member: _airflow")
    job, answer = jobs.put(jobs.body(db, db), f"/{db.name}: ü+x")
    assert answer.json()["id"] == job.id
    assert job.seen()["doc_id"] == job.id


def test_the_writer_becomes_the_owner(jobs: Jobs, server: Server, db: Database) -> None:
    assert jobs.start(db, db).doc()["owner"] == server.username
    assert jobs.start(db, db, owner="somebody").doc()["owner"] == "somebody"


def test_one_bad_document_spoils_the_request(jobs: Jobs, db: Database) -> None:
    good = {"_id": f"{db.name}-good", **jobs.body(db, db)}
    bad = {"_id": f"{db.name}-bad", **jobs.body(db, db, source="db")}
    answer = jobs.couch.ask("POST", "_replicator", "_bulk_docs", json={"docs": [good, bad]})
    assert refused(answer) == (403, "forbidden", LOCAL)
    assert jobs.couch.ask("GET", "_replicator", good["_id"]).status_code == 404


def test_an_id_is_taken_once(jobs: Jobs, db: Database) -> None:
    job = jobs.start(db, db, continuous=True)
    _, again = jobs.put(jobs.body(db, db), job.id)
    assert refused(again) == (409, "conflict", "Document update conflict.")
