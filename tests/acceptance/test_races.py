# SPDX-License-Identifier: Apache-2.0
"""People change the source while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_replicator.core.window import Window
from tests.acceptance.projects import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_replicator.cdf.http.transport import HttpRequest, HttpResponse
    from tests.acceptance.projects import Doc, Pair


def after_first_list(pair: Pair, path: str, edit: Callable[[], None]) -> None:
    """Run ``edit`` right after the source has answered its first list request."""
    pending = [edit]

    def after(request: HttpRequest, _: HttpResponse) -> None:
        if request.path.startswith(path) and pending:
            pending.pop()()

    pair.wrap["source"] = lambda transport: Watched(transport, after=after)


def window_of_the_child(pair: Pair) -> tuple[Doc, Doc, Window]:
    """A parent, a child that is younger, and a window that holds only the child."""
    parent = pair.source.create("/assets", {"externalId": "parent", "name": "p"})[0]
    child = pair.source.create("/assets", {"externalId": "child", "name": "c", "parentId": parent["id"]})[0]
    changed = child["lastUpdatedTime"]
    return parent, child, Window(changed, changed + 1)


def test_an_asset_deleted_with_its_parent_while_it_is_read_does_not_become_a_root(pair: Pair) -> None:
    parent, _, window = window_of_the_child(pair)
    after_first_list(pair, "/assets/list", lambda: pair.source.delete("/assets", parent, recursive=True))
    report = pair.replicate("assets", mode="window", window=window, overlap_ms=0)["assets"]
    assert pair.target.all("/assets") == []
    assert report.skipped == {"deleted_meanwhile": 1}
    assert (report.read, report.created, report.unlinked) == (1, 0, 0)


def test_an_asset_whose_parent_is_deleted_after_it_has_moved_follows(pair: Pair) -> None:
    parent, child, window = window_of_the_child(pair)
    other = pair.source.create("/assets", {"externalId": "other", "name": "o"})[0]

    def edit() -> None:
        pair.source.update("/assets", child, parentId={"set": other["id"]})
        pair.source.delete("/assets", parent)

    after_first_list(pair, "/assets/list", edit)
    report = pair.replicate("assets", mode="window", window=window, overlap_ms=0)["assets"]
    copies = pair.target.by_key("/assets")
    assert set(copies) == {"child", "other"}
    assert copies["child"]["parentId"] == copies["other"]["id"]
    assert (report.created, report.unlinked, report.failed) == (2, 0, 0)
