# SPDX-License-Identifier: Apache-2.0
"""Tokens, OAuth clients and capabilities: 401, 403, and what the token says of itself."""

from __future__ import annotations

import base64

import pytest

from airflow_provider_replicator.sandbox.cdf.auth import needed, parse_capabilities
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.sandbox.wire import Answer, send

GRANT = b"grant_type=client_credentials"


def issue(sandbox: RunningSandbox, client: str) -> str:
    form = GRANT + f"&client_id={client}&client_secret=secret".encode()
    answer = send(sandbox, "/oauth/token", body=form, project="", token=None)
    assert answer.status == 200, answer.body
    assert answer.json["token_type"] == "Bearer"
    return str(answer.json["access_token"])


def listed(sandbox: RunningSandbox, token: str | None, path: str = "/assets/list", project: str = "source") -> Answer:
    return send(sandbox, path, {}, token=token, project=project)


def test_the_static_token(sandbox: RunningSandbox) -> None:
    assert listed(sandbox, "sandbox").status == 200
    for wrong in (None, "", "other", "sandboxx"):
        assert listed(sandbox, wrong).status == 401
    assert listed(sandbox, None).json == {"error": {"code": 401, "message": "Unauthorized"}}
    assert listed(sandbox, "sandbox", project="nowhere").status == 401


def test_client_credentials_expire(sandbox: RunningSandbox) -> None:
    sandbox.control.add_client("expiring", "secret", token_lifetime_seconds=100)
    sandbox.control.freeze()
    token = issue(sandbox, "expiring")
    assert listed(sandbox, token).status == 200
    sandbox.control.advance(99_999)
    assert listed(sandbox, token).status == 200
    sandbox.control.advance(1)
    assert listed(sandbox, token).status == 401
    assert listed(sandbox, issue(sandbox, "expiring")).status == 200
    sandbox.control.add_client("expiring", "secret", token_lifetime_seconds=3600)


def test_tokens_can_be_revoked(sandbox: RunningSandbox) -> None:
    sandbox.control.add_client("revoked", "secret")
    token = issue(sandbox, "revoked")
    assert listed(sandbox, token).status == 200
    sandbox.control.revoke_tokens()
    assert listed(sandbox, token).status == 401


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GRANT + b"&client_id=asker&client_secret=wrong", {}, 401),
        (GRANT + b"&client_id=nobody&client_secret=secret", {}, 401),
        (b"grant_type=password&client_id=asker&client_secret=secret", {}, 400),
        (b"", {}, 400),
        (GRANT, {"authorization": "Basic " + base64.b64encode(b"asker:secret").decode()}, 200),
        (GRANT, {"authorization": "Basic " + base64.b64encode(b"asker:no").decode()}, 401),
        (GRANT, {"authorization": "Basic ?"}, 401),
    ],
)
def test_the_token_endpoint(sandbox: RunningSandbox, body: bytes, headers: dict[str, str], status: int) -> None:
    sandbox.control.add_client("asker", "secret")
    answer = send(sandbox, "/oauth/token", body=body, project="", token=None, **headers)
    assert answer.status == status
    assert ("access_token" in answer.json) == (status == 200)


def test_capabilities_restrict(sandbox: RunningSandbox) -> None:
    sandbox.control.add_client("reader", "secret", capabilities=["assets:read", "events"], projects=["source"])
    token = issue(sandbox, "reader")
    assert listed(sandbox, token).status == 200
    assert listed(sandbox, token, "/events/list").status == 200
    assert send(sandbox, "/events", {"items": [{}]}, token=token).status == 201
    refused = send(sandbox, "/assets", {"items": [{"name": "a"}]}, token=token)
    assert refused.status == 403
    assert "insufficient access rights" in refused.message
    assert listed(sandbox, token, "/timeseries/list").status == 403
    assert listed(sandbox, token, project="target").status == 401


def test_a_token_describes_itself(sandbox: RunningSandbox) -> None:
    sandbox.control.add_client("narrow", "secret", capabilities=["assets:read"], projects=["target"])
    answer = send(sandbox, "/api/v1/token/inspect", method="GET", project="", token=issue(sandbox, "narrow"))
    assert answer.json["subject"] == "narrow"
    assert answer.json["projects"] == [{"projectUrlName": "target", "groups": [1]}]
    (capability,) = answer.json["capabilities"]
    assert capability["assetsAcl"]["actions"] == ["READ"]
    assert capability["projectScope"] == {"projects": ["target"]}
    everything = send(sandbox, "/api/v1/token/inspect", method="GET", project="").json["capabilities"]
    assert any("timeSeriesAcl" in one and one["timeSeriesAcl"]["actions"] == ["READ", "WRITE"] for one in everything)
    assert send(sandbox, "/api/v1/token/inspect", method="GET", project="", token="x").status == 401


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/assets", ("assets", "write")),
        ("GET", "/assets", ("assets", "read")),
        ("POST", "/assets/byids", ("assets", "read")),
        ("POST", "/timeseries/data", ("timeSeries", "write")),
        ("POST", "/timeseries/data/list", ("timeSeries", "read")),
        ("POST", "/timeseries/data/latest", ("timeSeries", "read")),
        ("POST", "/files/downloadlink", ("files", "read")),
        ("GET", "/raw/dbs/a/tables/b/rows", ("raw", "read")),
        ("POST", "/raw/dbs/a/tables/b/rows", ("raw", "write")),
        ("GET", "/raw/dbs/a/tables/b/cursors", ("raw", "read")),
        ("GET", "/units", None),
    ],
)
def test_which_capability_a_path_needs(method: str, path: str, expected: tuple[str, str] | None) -> None:
    assert needed(method, path) == expected


@pytest.mark.parametrize("name", ["asset", "assets:delete", "", "assets:read:write"])
def test_capabilities_that_do_not_exist(name: str) -> None:
    with pytest.raises(ValueError, match="unknown capability"):
        parse_capabilities([name])
