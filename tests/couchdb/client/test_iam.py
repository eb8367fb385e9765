# SPDX-License-Identifier: Apache-2.0
"""API keys of IBM Cloud: exchanged at a scripted address of IAM, renewed at 80 % of a token's life, and once for a 401."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from airflow_provider_replicator.couchdb.client import CouchClient
from airflow_provider_replicator.exceptions import CouchAccessError, ReplicatorError
from tests.couchdb.client.asking import RETRY, Clock, Kind, ask, connection, over_both, said, scripted
from tests.unit.scripted_server import ScriptedServer, Step, answer, reset

KEY = "key+with/odd=characters&more"
FINE = said(ok=1)
EXPIRED = answer(401, b'{"error": "unauthorized", "reason": "Token expired"}')


def token(value: str, **more: Any) -> Step:
    document: dict[str, Any] = {"access_token": value, "token_type": "Bearer", "expires_in": 3600}
    return said(200, **(document | more))


def asked(
    kind: Kind, iam_steps: list[Step], couch_steps: list[Step], *pauses: float
) -> tuple[list[Any], ScriptedServer, list[str | None]]:
    """What so many questions come to, IAM's server, and the authorizations that CouchDB was shown."""
    clock = Clock()

    async def question(client: CouchClient) -> list[Any]:
        answers = []
        for pause in (0.0, *pauses):
            clock.now += pause
            try:
                answers.append(await client.get("db"))
            except ReplicatorError as error:
                answers.append(error)
        return answers

    async def main() -> tuple[list[Any], ScriptedServer, list[str | None]]:
        async with scripted(*iam_steps) as iam, scripted(*couch_steps) as couch:
            to = connection(couch.url, iam_apikey=KEY, iam_url=f"{iam.url}/identity/token")
            answers = await ask(kind, replace(to, retry=RETRY), question, clock=clock)
            return answers, iam, [seen.headers.get("authorization") for seen in couch.seen]

    return asyncio.run(main())


@over_both
def test_a_key_is_exchanged_for_a_token(kind: Kind) -> None:
    answers, iam, shown = asked(kind, [token("t1")], [FINE], 0, 2000)
    assert answers == [{"ok": 1}] * 3
    assert shown == ["Bearer t1"] * 3
    (seen,) = iam.seen
    assert (seen.method, seen.target) == ("POST", "/identity/token")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["urn:ibm:params:oauth:grant-type:apikey"],
        "apikey": [KEY],
    }
    assert "authorization" not in seen.headers


@over_both
@pytest.mark.parametrize("says", ["expires_in", "expiration"])
def test_a_token_is_renewed_at_80_percent_of_its_life(kind: Kind, says: str) -> None:
    life = {"expires_in": 1000} if says == "expires_in" else {"expires_in": None, "expiration": time.time() + 1000}
    _, iam, shown = asked(kind, [token("t1", **life), token("t2")], [FINE], 700, 105)
    assert shown == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert len(iam.seen) == 2


@over_both
def test_a_token_that_is_refused_is_renewed_once(kind: Kind) -> None:
    answers, iam, shown = asked(kind, [token("t1"), token("t2")], [FINE, EXPIRED, FINE], 1)
    assert answers == [{"ok": 1}] * 2
    assert shown == ["Bearer t1", "Bearer t1", "Bearer t2"]
    answers, iam, shown = asked(kind, [token("t1"), token("t2")], [FINE, EXPIRED], 1)
    assert isinstance(answers[1], CouchAccessError)
    assert shown == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert len(iam.seen) == 2


@over_both
def test_a_first_token_that_is_refused_is_not_renewed(kind: Kind) -> None:
    answers, iam, shown = asked(kind, [token("t1")], [EXPIRED])
    assert isinstance(answers[0], CouchAccessError)
    assert (len(iam.seen), shown) == (1, ["Bearer t1"])


@over_both
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_key_that_iam_refuses_is_shown_once(kind: Kind, status: int) -> None:
    refusal = said(status, errorCode="BXNIM0415E", errorMessage=f"Provided API key {KEY} could not be found.")
    answers, iam, shown = asked(kind, [refusal], [FINE], 0, 5000)
    assert (len(iam.seen), shown) == (1, [])
    for error in answers:
        assert isinstance(error, CouchAccessError)
        assert f"{status} BXNIM0415E: Provided API key *** could not be found." in str(error)


@over_both
def test_hiccups_of_iam(kind: Kind) -> None:
    no_token = said(nothing="here")
    odd = [said(access_token="with a blank"), answer(200, b"[]"), answer(200, b"<html>")]
    answers, iam, shown = asked(kind, [answer(503), reset, no_token, token("t1")], [FINE])
    assert answers == [{"ok": 1}]
    assert shown == ["Bearer t1"]
    answers, iam, shown = asked(kind, odd, [FINE])
    assert isinstance(answers[0], ReplicatorError)
    assert "the answer holds no token" in str(answers[0])
    assert (len(iam.seen), shown) == (4, [])


@over_both
def test_while_a_token_lives_hiccups_of_iam_do_not_matter(kind: Kind) -> None:
    answers, iam, shown = asked(kind, [token("t1"), reset, token("t2")], [FINE], 3000, 1, 10)
    assert answers == [{"ok": 1}] * 4
    assert shown == ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2"]
    assert len(iam.seen) == 3
