# SPDX-License-Identifier: Apache-2.0
"""Uploading and downloading files as clients do it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from airflow_provider_replicator.sandbox.cdf.http import Request, Response
from airflow_provider_replicator.sandbox.cdf.running import RunningSandbox
from tests.sandbox.caller import AnswerError, Caller
from tests.sandbox.wire import send

BASE = "http://sandbox.test"
SECOND, WEEK = 1_000, 7 * 86_400_000
MIB = 1024 * 1024


def call(cdf: Caller, method: str, path: str, body: bytes = b"") -> Response:
    path, _, query = path.partition("?")
    return cdf.server.handle(Request(method, path, parse_qs(query), {}, body, base_url=BASE), cdf.project)


def post(cdf: Caller, path: str, payload: Any) -> Any:
    answer = call(cdf, "POST", path, orjson.dumps(payload))
    parsed = orjson.loads(answer.body)
    if answer.status >= 400:
        raise AnswerError(answer.status, parsed["error"])
    return parsed


def link(cdf: Caller, method: str, url: str, body: bytes = b"") -> Response:
    """Follow a link that the server gave, in process."""
    prefix = f"{BASE}/api/v1/projects/{cdf.project}"
    assert url.startswith(prefix)
    return call(cdf, method, url.removeprefix(prefix), body)


def put(cdf: Caller, url: str, body: bytes) -> int:
    return link(cdf, "PUT", url, body).status


def metadata(cdf: Caller, name: str) -> dict[str, Any]:
    return cdf.items("/files/byids", {"items": [{"externalId": name}]})[0]


def content(cdf: Caller, name: str) -> bytes:
    (found,) = post(cdf, "/files/downloadlink", {"items": [{"externalId": name}]})["items"]
    return link(cdf, "GET", found["downloadUrl"]).body


def test_a_file_is_created_uploaded_and_downloaded(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a.txt", "externalId": "f", "mimeType": "text/plain"})
    assert created["uploaded"] is False
    assert "uploadedTime" not in created
    assert put(cdf, created["uploadUrl"], b"hello") == 200
    found = metadata(cdf, "f")
    assert found["uploaded"] is True
    assert found["uploadedTime"] == found["lastUpdatedTime"] > created["lastUpdatedTime"]
    (item,) = post(cdf, "/files/downloadlink", {"items": [{"id": created["id"]}]})["items"]
    assert item["id"] == created["id"]
    answer = link(cdf, "GET", item["downloadUrl"])
    assert (answer.status, answer.body, answer.content_type) == (200, b"hello", "text/plain")


def test_an_empty_file_is_a_file(cdf: Caller) -> None:
    put(cdf, post(cdf, "/files", {"name": "a", "externalId": "f"})["uploadUrl"], b"")
    assert (metadata(cdf, "f")["uploaded"], content(cdf, "f")) == (True, b"")


def test_overwrite_replaces_the_fields_given_and_keeps_the_content_until_the_upload(cdf: Caller) -> None:
    first = post(cdf, "/files", {"name": "a", "externalId": "f", "source": "s", "metadata": {"a": "1"}})
    put(cdf, first["uploadUrl"], b"old")
    with pytest.raises(AnswerError) as error:
        post(cdf, "/files", {"name": "b", "externalId": "f"})
    assert (error.value.status, error.value.error["duplicated"]) == (409, [{"externalId": "f"}])
    second = post(cdf, "/files?overwrite=true", {"name": "b", "externalId": "f", "metadata": {"b": "2"}})
    assert (second["id"], second["name"], second["source"], second["metadata"]) == (first["id"], "b", "s", {"b": "2"})
    assert content(cdf, "f") == b"old"
    put(cdf, second["uploadUrl"], b"new")
    assert content(cdf, "f") == b"new"


def test_parts_may_come_in_any_order_and_again(cdf: Caller) -> None:
    created = post(cdf, "/files/initmultipartupload?parts=3", {"name": "a", "externalId": "f"})
    pieces = [b"a" * 5 * MIB, b"b" * 5 * MIB, b"c"]
    finish = {"externalId": "f", "uploadId": created["uploadId"]}
    urls = created["uploadUrls"]
    put(cdf, urls[2], pieces[2])
    put(cdf, urls[0], b"wrong")
    put(cdf, urls[0], pieces[0])
    with pytest.raises(AnswerError, match="Parts not uploaded: 1"):
        post(cdf, "/files/completemultipartupload", finish)
    assert metadata(cdf, "f")["uploaded"] is False
    put(cdf, urls[1], pieces[1])
    assert post(cdf, "/files/completemultipartupload", finish) == {}
    assert content(cdf, "f") == b"".join(pieces)
    with pytest.raises(AnswerError, match="Unknown uploadId"):
        post(cdf, "/files/completemultipartupload", finish)
    assert put(cdf, urls[0], b"late") == 404


def test_only_the_last_part_may_be_small(cdf: Caller) -> None:
    created = post(cdf, "/files/initmultipartupload?parts=2", {"name": "a", "externalId": "f"})
    for url in created["uploadUrls"]:
        put(cdf, url, b"small")
    with pytest.raises(AnswerError, match="5242880 bytes"):
        post(cdf, "/files/completemultipartupload", {"id": created["id"], "uploadId": created["uploadId"]})


@pytest.mark.parametrize("parts", ["", "0", "251", "x"])
def test_the_number_of_parts_is_limited(cdf: Caller, parts: str) -> None:
    with pytest.raises(AnswerError, match="parts must be"):
        post(cdf, f"/files/initmultipartupload?parts={parts}", {"name": "a"})
    assert post(cdf, "/files/list", {})["items"] == []


def test_links_for_files_that_exist_come_one_at_a_time(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a", "externalId": "f"})
    (again,) = post(cdf, "/files/uploadlink", {"items": [{"externalId": "f"}]})["items"]
    assert again["id"] == created["id"]
    put(cdf, again["uploadUrl"], b"one")
    assert content(cdf, "f") == b"one"
    (parts,) = post(cdf, "/files/multiuploadlink?parts=1", {"items": [{"externalId": "f"}]})["items"]
    put(cdf, parts["uploadUrls"][0], b"two")
    post(cdf, "/files/completemultipartupload", {"id": created["id"], "uploadId": parts["uploadId"]})
    assert content(cdf, "f") == b"two"
    for path in ("uploadlink", "multiuploadlink?parts=1"):
        with pytest.raises(AnswerError, match="1 to 1 elements"):
            post(cdf, f"/files/{path}", {"items": [{"externalId": "f"}, {"externalId": "g"}]})
        with pytest.raises(AnswerError) as error:
            post(cdf, f"/files/{path}", {"items": [{"externalId": "g"}]})
        assert error.value.error["missing"] == [{"externalId": "g"}]


@pytest.mark.parametrize(("query", "seconds"), [("", 30), ("?extendedExpiration=true", 3600)])
def test_download_links_expire_on_the_clock(cdf: Caller, query: str, seconds: int) -> None:
    put(cdf, post(cdf, "/files", {"name": "a", "externalId": "f"})["uploadUrl"], b"x")
    (item,) = post(cdf, f"/files/downloadlink{query}", {"items": [{"externalId": "f"}]})["items"]
    cdf.server.clock.advance(seconds * SECOND - 1)
    assert link(cdf, "GET", item["downloadUrl"]).status == 200
    cdf.server.clock.advance(1)
    assert link(cdf, "GET", item["downloadUrl"]).status == 403


def test_upload_links_expire_after_a_week(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a", "externalId": "f"})
    cdf.server.clock.advance(WEEK)
    assert put(cdf, created["uploadUrl"], b"x") == 403
    assert metadata(cdf, "f")["uploaded"] is False


def test_links_are_signed_for_one_file_and_one_purpose(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a", "externalId": "f"})
    put(cdf, created["uploadUrl"], b"x")
    (item,) = post(cdf, "/files/downloadlink", {"items": [{"externalId": "f"}]})["items"]
    ticket = item["downloadUrl"].rpartition("/")[2]
    assert put(cdf, created["uploadUrl"].rpartition("/")[0] + "/" + ticket, b"y") == 403
    assert link(cdf, "GET", item["downloadUrl"][:-4] + "AAAA").status == 403
    assert content(cdf, "f") == b"x"


def test_files_without_content_have_no_download_link(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a", "externalId": "f"})
    with pytest.raises(AnswerError, match=f"not uploaded: {created['id']}") as error:
        post(cdf, "/files/downloadlink", {"items": [{"externalId": "f"}]})
    assert error.value.status == 400


def test_content_goes_with_its_file(cdf: Caller) -> None:
    created = post(cdf, "/files", {"name": "a", "externalId": "f"})
    put(cdf, created["uploadUrl"], b"x")
    (item,) = post(cdf, "/files/downloadlink", {"items": [{"externalId": "f"}]})["items"]
    cdf.post("/files/delete", {"items": [{"externalId": "f"}]})
    assert link(cdf, "GET", item["downloadUrl"]).status == 404
    assert put(cdf, created["uploadUrl"], b"y") == 404


def test_links_work_over_a_socket_without_a_token(sandbox: RunningSandbox) -> None:
    created = send(sandbox, "/files", {"name": "a", "externalId": "over-a-socket"}).json
    assert urlsplit(created["uploadUrl"]).port == sandbox.port
    path = urlsplit(created["uploadUrl"]).path
    assert send(sandbox, path, method="PUT", project="", body=b"\x00\xff" * 1000, token=None).status == 200
    (item,) = send(sandbox, "/files/downloadlink", {"items": [{"externalId": "over-a-socket"}]}).json["items"]
    answer = send(sandbox, urlsplit(item["downloadUrl"]).path, method="GET", project="", token=None)
    assert (answer.status, answer.body) == (200, b"\x00\xff" * 1000)
    assert answer.headers["content-type"] == "application/octet-stream"
