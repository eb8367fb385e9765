# SPDX-License-Identifier: Apache-2.0
"""A server as any HTTP client sees it: nothing of ours between a test and the wire."""

from __future__ import annotations

import json as _json
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Doc = dict[str, Any]


class Couch:
    """``url`` has no credentials. Close it after use."""

    def __init__(self, url: str, username: str | None = None, password: str = "") -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        if username is not None:  # written here because requests would write latin-1
            basic = b64encode(f"{username}:{password}".encode()).decode()
            self._session.headers["Authorization"] = f"Basic {basic}"

    def ask(
        self,
        method: str,
        *segments: str,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        **params: Any,
    ) -> requests.Response:
        """The answer, whatever it is; with ``stream`` its body is not read yet.

        Each of ``segments`` is percent-encoded; lists and objects among ``params`` become JSON.
        """
        url = self.url + "/" + "/".join(quote(segment, safe="") for segment in segments)
        query = {name: _parameter(value) for name, value in params.items()}
        return self._session.request(
            method, url, params=query, json=json, data=data, headers=headers, stream=stream, timeout=60
        )

    def get(self, *segments: str, **params: Any) -> Any:
        return accepted(self.ask("GET", *segments, **params))

    def put(self, *segments: str, json: Any = None, **params: Any) -> Any:
        return accepted(self.ask("PUT", *segments, json=json, **params))

    def post(self, *segments: str, json: Any = None, **params: Any) -> Any:
        return accepted(self.ask("POST", *segments, json=json, **params))

    def delete(self, *segments: str, **params: Any) -> Any:
        return accepted(self.ask("DELETE", *segments, **params))

    def close(self) -> None:
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Database:
    """One database of a server, seen with the rights of ``couch``."""

    def __init__(self, couch: Couch, name: str) -> None:
        self.couch = couch
        self.name = name

    def ask(self, method: str, *segments: str, **options: Any) -> requests.Response:
        return self.couch.ask(method, self.name, *segments, **options)

    def get(self, *segments: str, **params: Any) -> Any:
        return self.couch.get(self.name, *segments, **params)

    def post(self, *segments: str, json: Any = None, **params: Any) -> Any:
        return self.couch.post(self.name, *segments, json=json, **params)

    def put(self, doc_id: str, doc: Doc | None = None, **params: Any) -> str:
        """The new revision."""
        rev: str = self.couch.put(self.name, *_path(doc_id), json=doc or {}, **params)["rev"]
        return rev

    def remove(self, doc_id: str, rev: str) -> str:
        """The revision of the tombstone."""
        tombstone: str = self.couch.delete(self.name, *_path(doc_id), rev=rev)["rev"]
        return tombstone

    def fill(self, count: int, *, start: int = 0) -> None:
        """Documents ``d0000`` …, each with its number as ``n``."""
        numbers = range(start, start + count)
        self.post("_bulk_docs", json={"docs": [{"_id": f"d{n:04}", "n": n} for n in numbers]})

    def graft(self, *docs: Doc) -> list[Doc]:
        """Store revisions as they are, as a replication does; what is refused."""
        refused: list[Doc] = self.post("_bulk_docs", json={"docs": docs, "new_edits": False})
        return refused

    def changes(self, **params: Any) -> Doc:
        feed: Doc = self.get("_changes", **params)
        return feed

    def ids(self) -> set[str]:
        return {row["id"] for row in self.get("_all_docs")["rows"]}

    def local(self) -> dict[str, Doc]:
        rows = self.get("_local_docs", include_docs=True)["rows"]
        return {row["id"].removeprefix("_local/"): row["doc"] for row in rows}


def accepted(answer: requests.Response) -> Any:
    assert answer.ok, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()


def refused(answer: requests.Response) -> tuple[int, str, str]:
    """Status, error, reason."""
    assert not answer.ok, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:500]}"
    body = answer.json()
    return answer.status_code, body["error"], body["reason"]


def branch(doc_id: str, *names: str, **fields: Any) -> Doc:
    """A revision to graft: the names of it and of its ancestors, the newest first, one letter each."""
    ids = [name * 32 for name in names]
    return {"_id": doc_id, "_rev": f"{len(ids)}-{ids[0]}", "_revisions": {"start": len(ids), "ids": ids}, **fields}


def rev(generation: int, name: str) -> str:
    """The name of a revision that was made by :func:`branch`."""
    return f"{generation}-{name * 32}"


def until(check: Callable[[], Any], *, within: float, every: float = 0.05) -> Any:
    """What ``check`` gives as soon as that is true."""
    deadline = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within} s: {check}"
        time.sleep(every)


def by(name: str, rows: Iterable[Doc]) -> dict[Any, Doc]:
    return {row[name]: row for row in rows}


def _path(doc_id: str) -> list[str]:
    """The slash after ``_design`` and ``_local`` is one of the path."""
    kind, slash, rest = doc_id.partition("/")
    return [kind, rest] if slash and kind in ("_design", "_local") else [doc_id]


def _parameter(value: Any) -> str:
    return value if isinstance(value, str) else _json.dumps(value)
