# SPDX-License-Identifier: Apache-2.0
"""The asset tree: subtrees, moves, orphans, roots."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_replicator.cdf.objects import moves
from airflow_provider_replicator.cdf.objects.replicate import replicate_objects
from airflow_provider_replicator.cdf.options import Options, Selection
from airflow_provider_replicator.core.window import Window
from airflow_provider_replicator.exceptions import ConfigurationError, PartialReplicationError
from tests.acceptance.projects import Watched

if TYPE_CHECKING:
    from airflow_provider_replicator.cdf.http.client import CdfClient
    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
    from airflow_provider_replicator.core.report import Report
    from tests.acceptance.projects import Pair, Project

Doc = dict[str, Any]


def plant(project: Project, **parents: str | None) -> dict[str, Doc]:
    """Assets named by keyword, each with the name of its parent (None: a root)."""
    docs = [
        {"externalId": name, "name": name, **({} if parent is None else {"parentExternalId": parent})}
        for name, parent in parents.items()
    ]
    return {doc["externalId"]: doc for doc in project.create("/assets", *docs)}


def shape(project: Project) -> dict[str, str | None]:
    """External id -> that of the parent."""
    docs = project.all("/assets")
    names = {doc["id"]: doc["externalId"] for doc in docs}
    return {doc["externalId"]: names[doc["parentId"]] if "parentId" in doc else None for doc in docs}


def move(project: Project, doc: Doc, parent: Doc) -> None:
    project.update("/assets", doc, parentId={"set": parent["id"]})


def marked(project: Project) -> set[str]:
    return {doc["externalId"] for doc in project.all("/assets") if "_replicatedUnlinked" in doc.get("metadata", {})}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spool_bytes", [0, 10**9])
def test_a_random_forest_arrives_as_it_is(pair: Pair, seed: int, spool_bytes: int) -> None:
    rng = random.Random(seed)
    made: list[Doc] = []
    for n in range(5):
        names = [
            {"name": f"n{n}-{i}", **({"externalId": f"a{n}-{i}"} if rng.random() < 0.7 else {})} for i in range(400)
        ]
        for doc in names if made else []:
            doc |= {"parentId": rng.choice(made[-rng.choice((1, 50, 2000)) :])["id"]}
        made += pair.source.create("/assets", *names)

    async def program(source: CdfClient, target: CdfClient) -> Report:
        return await replicate_objects(
            "assets", source=source, target=target, options=Options(), spool_bytes=spool_bytes
        )

    assert pair.run(program).created == 2000
    pair.verify("assets")
    assert pair.run(program).unchanged == 2000


def test_moves(pair: Pair) -> None:
    """Down, up, sideways, under a new asset, and two that change places: a cycle if done in the wrong order."""
    docs = plant(pair.source, r=None, a="r", b="a", c="b", d="r", e="d", f="e")
    pair.replicate("assets")
    move(pair.source, docs["b"], docs["r"])
    move(pair.source, docs["a"], docs["b"])  # was below a: now above it
    new = plant(pair.source, n="f")["n"]
    move(pair.source, docs["c"], new)
    move(pair.source, docs["e"], docs["a"])
    report = pair.replicate("assets")["assets"]
    assert (report.created, report.updated, report.failed) == (1, 4, 0)
    assert shape(pair.target) == shape(pair.source)
    pair.verify("assets")
    assert pair.replicate("assets")["assets"].unchanged == 8


def shuffled(pair: Pair, seed: int) -> int:
    """Forty assets in a tree, replicated, then sixty random moves; returns how many were possible."""
    rng = random.Random(seed)
    docs = plant(pair.source, r=None, **{f"a{n}": f"a{rng.randrange(n)}" if n else "r" for n in range(40)})
    pair.replicate("assets")
    below = [doc for name, doc in docs.items() if name != "r"]
    moved = set()
    for _ in range(60):
        doc, parent = rng.sample(below, 2)
        before = shape(pair.source)
        try:
            move(pair.source, doc, parent)
        except RuntimeError:  # a cycle: refused
            assert shape(pair.source) == before
        else:
            moved.add(doc["externalId"])
    assert len(moved) > 10
    return len(moved)


@pytest.mark.parametrize("batch", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(6))
def test_any_number_of_moves(pair: Pair, seed: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "_BATCH", batch)
    start = pair.source.sandbox.control.now_ms()
    shuffled(pair, seed)
    window = Window(start, start + 3_600_000)
    options: Doc = {"mode": "window", "window": window, "overlap_ms": 0} if seed % 2 else {}
    assert pair.replicate("assets", **options)["assets"].failed == 0
    assert shape(pair.target) == shape(pair.source)


@pytest.mark.parametrize("seed", range(4))
def test_moves_are_made_from_the_top(pair: Pair, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, and none is refused: nothing ever moves below what has still to move away."""
    monkeypatch.setattr(moves, "_BATCH", 1)
    shuffled(pair, seed)
    statuses: list[int] = []

    def after(request: HttpRequest, answer: HttpResponse) -> None:
        if request.path == "/assets/update":
            statuses.append(answer.status)

    pair.wrap["target"] = lambda transport: Watched(transport, after=after)
    report = pair.replicate("assets")["assets"]
    assert len(statuses) == report.updated > 5
    assert set(statuses) == {200}


def test_an_asset_moved_below_one_that_moves_with_it_unseen(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window does not hold the asset in between, so the order of moves cannot be known; trying again finds it."""
    monkeypatch.setattr(moves, "_BATCH", 1)
    docs = plant(pair.source, r=None, x="r", y="x", u="y")
    pair.replicate("assets")
    start = pair.source.sandbox.control.now_ms()
    move(pair.source, docs["y"], docs["r"])
    move(pair.source, docs["x"], docs["u"])
    pair.replicate("assets", mode="window", window=Window(start, start + 3_600_000), overlap_ms=0)
    assert shape(pair.target) == {"r": None, "y": "r", "u": "y", "x": "u"}


class SlowFirst(Watched):
    """The first batch of new assets takes its time to arrive."""

    seen = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/assets":
            self.seen += 1
            if self.seen == 1:
                await asyncio.sleep(0.3)
        return await self.inner.send(request)


def test_a_batch_waits_for_the_batches_that_hold_its_parents(pair: Pair) -> None:
    docs: list[Doc] = [{"externalId": "r", "name": "r"}]
    docs += [{"externalId": f"a{n}", "name": "x", "parentExternalId": "r"} for n in range(4000)]
    pair.source.create("/assets", *docs)
    pair.wrap["target"] = SlowFirst
    report = pair.replicate("assets")["assets"]
    assert (report.created, report.failed) == (4001, 0)
    assert report.requests["target"] <= 7


def test_subtrees_by_root_and_depth(pair: Pair) -> None:
    plant(pair.source, top=None, a="top", a1="a", a2="a1", a3="a2", b="top", b1="b", other=None)

    def run(*roots: str, max_depth: int | None = None) -> tuple[dict[str, str | None], Report]:
        selection = Selection(asset_subtree_external_ids=roots, max_depth=max_depth)
        report = pair.replicate("assets", selection=selection)["assets"]
        again = pair.replicate("assets", selection=selection)["assets"]
        assert (again.created, again.updated, again.unlinked, again.failed) == (0, 0, 0, 0)
        found = shape(pair.target)
        for name in sorted(found, reverse=True):
            if name in shape(pair.target):
                pair.target.delete("/assets", pair.target.by_key("/assets")[name], recursive=True)
        return found, report

    assert run("a")[0] == {"a": None, "a1": "a", "a2": "a1", "a3": "a2"}
    assert run("a", max_depth=0)[0] == {"a": None}
    assert run("a", max_depth=1)[0] == {"a": None, "a1": "a"}
    found, report = run("a", "b", max_depth=1)
    assert found == {"a": None, "a1": "a", "b": None, "b1": "b"}
    assert report.skipped == {"below_max_depth": 2}
    assert run("a", "a1")[0] == {"a": None, "a1": "a", "a2": "a1", "a3": "a2"}  # overlapping: once, and in its place
    assert run("a", "a2", max_depth=1)[0] == {"a": None, "a1": "a", "a2": "a1", "a3": "a2"}
    assert run("top", max_depth=1)[0] == {"top": None, "a": "top", "b": "top"}
    with pytest.raises(ConfigurationError, match="no asset named 'aa', 'bb'"):
        run("a", "bb", "aa")


def test_a_subtree_stays_where_it_is_if_the_target_has_more(pair: Pair) -> None:
    docs = plant(pair.source, top=None, a="top", a1="a")
    pair.replicate("assets")
    pair.source.update("/assets", docs["a"], description={"set": "new"})
    report = pair.replicate("assets", selection=Selection(asset_subtree_external_ids=("a",)))["assets"]
    assert (report.updated, report.unchanged, report.unlinked) == (1, 1, 0)
    assert shape(pair.target) == {"top": None, "a": "top", "a1": "a"}
    assert pair.target.by_key("/assets")["a"]["description"] == "new"


def test_subtrees_too_big_for_the_filter(pair: Pair) -> None:
    plant(pair.source, top=None, a="top", a1="a", a2="a1", b="top", other=None)

    def too_big(request: HttpRequest) -> HttpResponse | None:
        from airflow_provider_replicator.cdf.http.transport import HttpResponse as Response

        refused = b'{"error":{"code":400,"message":"the subtrees have more than 100000 assets"}}'
        return Response(400, refused) if b"assetSubtreeIds" in request.body else None

    pair.wrap["source"] = pair.wrap["target"] = lambda transport: Watched(transport, before=too_big)
    selection = Selection(asset_subtree_external_ids=("a", "other"), max_depth=1)
    report = pair.replicate("assets", selection=selection, delete_missing=True)["assets"]
    assert shape(pair.target) == {"a": None, "a1": "a", "other": None}
    assert (report.created, report.deleted) == (3, 0)
    with pytest.raises(ConfigurationError, match="too big"):
        pair.replicate("events", selection=selection)


def test_orphans_become_roots_are_marked_and_stay_so(pair: Pair) -> None:
    """Their parent is not selected. When it is there later, CDF cannot hang them up, and that is said."""
    plant(pair.source, hidden=None, x1="hidden", x2="x1")
    selection = Selection(external_id_prefix="x")
    first = pair.replicate("assets", selection=selection)["assets"]
    assert (first.created, first.unlinked, first.failed) == (2, 1, 0)
    assert shape(pair.target) == {"x1": None, "x2": "x1"}
    assert marked(pair.target) == {"x1"}
    second = pair.replicate("assets", selection=selection)["assets"]
    assert (second.unchanged, second.unlinked, second.failed) == (2, 1, 0)
    with pytest.raises(PartialReplicationError, match="x1: a child in the source, a root in the target"):
        pair.replicate("assets")
    assert set(shape(pair.target)) == {"hidden", "x1", "x2"}


def test_an_orphan_whose_parent_is_in_the_target_is_linked(pair: Pair) -> None:
    plant(pair.source, r=None, x1="r")
    pair.replicate("assets", selection=Selection(external_ids=("r",)))
    report = pair.replicate("assets", selection=Selection(external_id_prefix="x"))["assets"]
    assert (report.created, report.unlinked) == (1, 0)
    assert shape(pair.target) == {"r": None, "x1": "r"}


def test_a_moved_asset_whose_new_parent_is_out_of_reach_stays_and_is_marked(pair: Pair) -> None:
    docs = plant(pair.source, r=None, x1="r", x2="x1")
    pair.replicate("assets")
    hidden = plant(pair.source, h="r")["h"]
    move(pair.source, docs["x2"], hidden)
    report = pair.replicate("assets", selection=Selection(external_id_prefix="x"))["assets"]
    assert (report.updated, report.unlinked, report.failed) == (1, 1, 0)
    assert shape(pair.target)["x2"] == "x1"
    assert marked(pair.target) == {"x2"}
    assert pair.replicate("assets")["assets"].updated == 1
    assert shape(pair.target) == shape(pair.source)
    assert marked(pair.target) == set()


def test_an_asset_whose_parent_nobody_may_see(pair: Pair) -> None:
    """The source names a parent in the document, but neither lists it nor gives it by id."""
    plant(pair.source, r=None, secret="r", x="secret")

    def without(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        import orjson

        from airflow_provider_replicator.cdf.http.transport import HttpResponse as Response

        body = orjson.loads(answer.body)
        body["items"] = [item for item in body["items"] if item["externalId"] != "secret"]
        return Response(answer.status, orjson.dumps(body), answer.headers)

    class Hiding(Watched):
        async def send(self, request: HttpRequest) -> HttpResponse:
            return without(request, await self.inner.send(request))

    pair.wrap["source"] = Hiding
    report = pair.replicate("assets", delete_missing=True)["assets"]
    assert (report.created, report.unlinked) == (2, 1)
    assert shape(pair.target) == {"r": None, "x": None}
    assert pair.replicate("assets")["assets"].unchanged == 2


def test_a_root_cannot_become_a_child(pair: Pair) -> None:
    docs = plant(pair.source, r=None, a="r", b=None)
    pair.replicate("assets")
    for name in ("a", "b"):
        pair.source.delete("/assets", docs[name])
    plant(pair.source, a=None, b="r")
    with pytest.raises(PartialReplicationError) as caught:
        pair.replicate("assets")
    letters = caught.value.report["dead_letters"]
    assert len(letters) == 2
    assert any(letter.startswith("a: a root in the source, a child in the target") for letter in letters)
    assert any(letter.startswith("b: a child in the source, a root in the target") for letter in letters)


def test_a_parent_of_the_older_tool_without_a_name_gets_one_before_its_children_come(pair: Pair) -> None:
    root = pair.source.create("/assets", {"name": "root"})[0]
    child = pair.source.create("/assets", {"externalId": "child", "name": "c", "parentId": root["id"]})[0]
    pair.source.create("/assets", {"externalId": "new", "name": "n", "parentId": root["id"]})
    stamps = [
        {"_replicatedSource": pair.source.name, "_replicatedTime": "1", "_replicatedInternalId": str(doc["id"])}
        for doc in (root, child)
    ]
    copy = pair.target.create("/assets", {"name": "root", "metadata": stamps[0]})[0]
    pair.target.create("/assets", {"externalId": "child", "name": "c", "parentId": copy["id"], "metadata": stamps[1]})
    report = pair.replicate("assets")["assets"]
    assert (report.created, report.updated, report.unchanged, report.failed) == (1, 1, 1, 0)
    key = f"replicated:{pair.source.name}:{root['id']}"
    assert shape(pair.target) == {key: None, "child": key, "new": key}
    assert pair.replicate("assets")["assets"].unchanged == 3


def test_a_window_brings_the_ancestors_it_needs(pair: Pair) -> None:
    plant(pair.source, r=None, a="r", b="a", unrelated=None)
    start = pair.source.sandbox.control.now_ms() + 1
    while pair.source.sandbox.control.now_ms() <= start:
        pass
    plant(pair.source, c="b")
    window = Window(start, start + 3_600_000)
    report = pair.replicate("assets", mode="window", window=window, overlap_ms=0)["assets"]
    assert (report.created, report.unlinked) == (4, 0)
    assert shape(pair.target) == {"r": None, "a": "r", "b": "a", "c": "b"}
