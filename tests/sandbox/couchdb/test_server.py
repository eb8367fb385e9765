# SPDX-License-Identifier: Apache-2.0
"""The server as a whole: what it says of itself, settings, databases, the wire, faults, counters, the process."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import time
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from airflow_provider_replicator.sandbox.couchdb.running import RunningCouch
from tests.sandbox.couchdb.caller import Caller, basic, revision


def test_the_welcome(call: Caller) -> None:
    answer = call("GET", "/")
    assert answer.json["couchdb"] == "Welcome"
    assert answer.json["version"] == "3.5.0"
    assert "scheduler" in answer.json["features"]
    assert answer.headers["server"].startswith("CouchDB/3.5.0")
    assert answer.headers["cache-control"] == "must-revalidate"
    assert answer.json["uuid"] == call("GET", "/").json["uuid"]
    assert call("GET", "/_up").json == {"status": "ok", "seeds": {}}
    assert len(call("GET", "/_uuids?count=3").json["uuids"]) == 3
    for count in ("x", "-1", "2000"):
        assert call("GET", f"/_uuids?count={count}").error[:2] == (400, "bad_request")


def test_databases(call: Caller) -> None:
    assert call("PUT", "/one").json == {"ok": True}
    assert call("PUT", "/one").error == (
        412,
        "file_exists",
        "The database could not be created, the file already exists.",
    )
    assert call("PUT", "/two%2Fof%2Bus?q=1").headers["location"].endswith("/two%2Fof%2Bus")
    info = call("GET", "/two%2Fof%2Bus").json
    assert (info["db_name"], info["cluster"]["q"], info["doc_count"], info["doc_del_count"]) == ("two/of+us", 1, 0, 0)
    listed = call("GET", "/_all_dbs").json
    assert {"one", "two/of+us", "_users", "_replicator"} <= set(listed)
    assert call("GET", '/_all_dbs?startkey="one"&limit=1').json == ["one"]
    infos = call("POST", "/_dbs_info", {"keys": ["one", "none"]}).json
    assert infos == [{"key": "one", "info": call("GET", "/one").json}, {"key": "none", "error": "not_found"}]
    for name in ("one", "two%2Fof%2Bus"):
        assert call("DELETE", f"/{name}").json == {"ok": True}
        assert call("GET", f"/{name}").error == (404, "not_found", "Database does not exist.")
    for name in ("Upper", "1st", "_own"):
        assert call("PUT", f"/{name}").error[:2] == (400, "illegal_database_name")
    assert call("DELETE", "/_users?rev=1-a").status == 400


def test_what_a_database_counts(db: Caller) -> None:
    db.graft(revision("a", "1-a", v=1), revision("b", "1-b", _deleted=True), revision("c", "1-c"), revision("c", "1-d"))
    db.put("_design/x")
    info = db("GET").json
    assert (info["doc_count"], info["doc_del_count"]) == (3, 1)
    assert info["sizes"]["external"] > 0
    assert db("POST", "/_ensure_full_commit", {}).json["instance_start_time"] == info["instance_start_time"]


def test_settings_of_couchdb(call: Caller) -> None:
    setting = "/_node/_local/_config/mine/key"
    assert call("GET", setting).error == (404, "not_found", "unknown_config_value")
    assert call("PUT", setting, b'"one"').json == ""
    assert call("PUT", setting, b'"two"').json == "one"
    assert call("GET", "/_node/_local/_config/mine").json == {"key": "two"}
    assert call("GET", "/_node/_local/_config").json["mine"] == {"key": "two"}
    assert call("PUT", setting, b"3").error == (400, "bad_request", "a JSON string expected")
    assert call("DELETE", setting).json == "two"
    assert call("DELETE", setting).status == 404
    assert call("GET", "/_node/elsewhere/_config").status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/_all_dbs", "GET,HEAD"), ("DELETE", "/_up", "GET,HEAD"), ("PUT", "/_users/_bulk_get", "POST")],
)
def test_methods_that_are_not_there(call: Caller, method: str, path: str, allowed: str) -> None:
    answer = call(method, path)
    assert answer.error == (405, "method_not_allowed", f"Only {allowed} allowed")
    assert answer.headers["allow"] == allowed


def test_bodies_may_be_packed(db: Caller) -> None:
    packed = gzip.compress(orjson.dumps({"docs": [{"_id": "a"}]}))
    kind = {"content_type": "application/json"}
    assert db("POST", "/_bulk_docs", packed, content_encoding="gzip", **kind).status == 201
    assert db("POST", "/_bulk_docs", packed[:-5], content_encoding="gzip", **kind).status == 400
    assert db("POST", "/_bulk_docs", packed, content_encoding="br", **kind).status == 415
    assert "content-encoding" not in db("GET", "/_all_docs", accept_encoding="gzip").headers


def test_who_wants_no_json_gets_text(call: Caller) -> None:
    assert call("GET", "/", accept="text/html").headers["content-type"] == "text/plain; charset=utf-8"
    assert call("GET", "/", accept=None).headers["content-type"] == "application/json"


def test_faults(db: Caller, couchdb: RunningCouch) -> None:
    control = couchdb.control
    rule = {"path": f"{db.root}/_bulk_docs", "kind": "status", "status": 429, "retry_after": 2}
    control.fault(**rule, error="too_many_requests", reason="slow down")
    throttled = db("POST", "/_bulk_docs", {"docs": []})
    assert throttled.error == (429, "too_many_requests", "slow down")
    assert throttled.headers["retry-after"] == "2"
    assert db("POST", "/_bulk_docs", {"docs": []}).status == 201
    control.fault(project=db.root[1:], method="PUT", kind="status_after_commit", status=503)
    assert db("PUT", "/a", {}).status == 503
    assert db("GET", "/a").status == 200
    control.fault(path=f"{db.root}/*", kind="reset")
    with pytest.raises(ConnectionResetError):
        db("GET", "/a")
    control.fault(path=f"{db.root}/_changes", kind="truncated_body")
    with pytest.raises(http.client.IncompleteRead):
        db("GET", "/_changes")
    assert [one["happened"] for one in control.faults()] == [1, 1, 1, 1]
    with pytest.raises(RuntimeError, match="unknown property 'colour'"):
        control.fault(kind="reset", colour="red")


def test_counters(db: Caller, couchdb: RunningCouch) -> None:
    couchdb.control.reset_counters()
    name = db.root[1:]
    db("GET")
    db.put("a%2Fb")
    db("GET", "/_local/x")
    db("GET", "/_design/x/att")
    db("POST", "/_revs_diff", {})
    requests = couchdb.control.counters()["requests"]
    assert requests == {
        f"{name} GET /": 1,
        f"{name} PUT /{{docid}}": 1,
        f"{name} GET /_local/{{docid}}": 1,
        f"{name} GET /_design/{{docid}}": 1,
        f"{name} POST /_revs_diff": 1,
    }
    assert couchdb.control.counters()["statuses"][f"{name} 200"] == 2
    assert name in couchdb.control.call("GET", "/_sandbox/health")["databases"]


def test_an_unknown_control(couchdb: RunningCouch) -> None:
    with pytest.raises(RuntimeError, match="404"):
        couchdb.control.call("GET", "/_sandbox/none")


# the process


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "couch.data"


def start(data: Path, port: int = 0, *more: str) -> RunningCouch:
    return RunningCouch(port=port, databases=("source",), args=("--data", str(data), *more))


def _contents(call: Caller) -> dict[str, Any]:
    """All there is to know about a database and its server."""
    return {
        "info": call("GET", "/source").json,
        "rows": call("GET", "/source/_changes?style=all_docs&include_docs=true&attachments=true").json["results"],
        "tree": call("GET", "/source/n?open_revs=all&revs=true").json,
        "old": call("GET", "/source/n?rev=2-c").json,
        "local": call("GET", "/source/_local_docs?include_docs=true").json,
        "security": call("GET", "/source/_security").json,
        "limit": call("GET", "/source/_revs_limit").json,
        "setting": call("GET", "/_node/_local/_config/mine/key").json,
        "uuid": call("GET", "/").json["uuid"],
        "databases": call("GET", "/_all_dbs").json,
    }


def test_a_killed_server_goes_on_where_it_was(data: Path) -> None:
    with start(data) as first:
        call, source = Caller(first), Caller(first, "/source")
        port = first.port
        source.graft(
            revision("n", "2-c", "1-a", v=1),
            revision("n", "3-d", "2-c", "1-a"),
            revision("n", "2-e", "1-a", _deleted=True),
        )
        source("PUT", "/att/t.txt", b"text " * 50, content_type="text/plain")
        source.put("_design/guard", validate_doc_update="function (doc) { if (doc.bad) throw({forbidden: 'bad'}); }")
        source.put("_local/checkpoint", seq=5)
        source.put("_local/gone")
        source("DELETE", "/_local/gone")
        source("POST", "/_bulk_docs", {"docs": [{"_id": f"d{n}"} for n in range(20)]})
        rev = source("GET", "/d3").json["_rev"]
        source("POST", "/_purge", {"d3": [rev]})
        source("PUT", "/_security", {"members": {"names": ["ann"]}})
        source("PUT", "/_revs_limit", b"7")
        call("PUT", "/_node/_local/_config/mine/key", b'"value"')
        user = {"name": "ann", "type": "user", "roles": [], "password": "pw"}
        call("PUT", "/_users/org.couchdb.user:ann", user)
        call("PUT", "/dropped")
        call("DELETE", "/dropped")
        cookie = call("POST", "/_session", {"name": "admin", "password": "sandbox"}).headers["set-cookie"]
        before = _contents(call)
        os.kill(first.pid, signal.SIGKILL)
    with data.open("ab") as file:
        file.write(b'{"db":"source","kind":"doc","id":"half')  # a line that was being written
    for _ in range(2):  # from the journal, then from what the restart has made of it
        with start(data, port) as again:
            call = Caller(again)
            assert again.port == port
            assert _contents(call) == before
            assert call("PUT", "/source/x", {"bad": 1}).error == (403, "forbidden", "bad")
            assert call("GET", "/source", authorization=basic("ann", "pw")).status == 200
            held = call("GET", "/_session", authorization=None, cookie=cookie.partition(";")[0]).json
            assert held["userCtx"]["name"] == "admin"
    with start(data) as third:
        assert Caller(third)("PUT", "/source/x", {}).status == 201


def test_without_admins_everybody_may_everything(tmp_path: Path) -> None:
    with RunningCouch(username="", args=("--version", "3.5.2")) as server:
        call = Caller(server)
        assert call("PUT", "/db", authorization=None).status == 201
        assert call("GET", "/", authorization=None).json["version"] == "3.5.2"


def test_the_process_ends_with_the_one_that_started_it() -> None:
    server = RunningCouch()
    with server:
        process = psutil.Process(server.pid)
        connections = [one.laddr.ip for one in process.net_connections() if one.status == psutil.CONN_LISTEN]
        assert connections == ["127.0.0.1"]
    deadline = time.monotonic() + 10
    while process.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.is_running()
    server.stop()
