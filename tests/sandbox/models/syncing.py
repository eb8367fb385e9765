# SPDX-License-Identifier: Apache-2.0
"""A reader of ``/models/instances/sync``."""

from __future__ import annotations

from typing import Any

from tests.sandbox.caller import Caller
from tests.sandbox.models import plant
from tests.sandbox.models.plant import pump, shown


class Reader:
    """Reads one expression page by page, as a client does."""

    def __init__(self, cdf: Caller, kind: str = "nodes", select: dict[str, Any] | None = None, **options: Any) -> None:
        self.cdf = cdf
        expression = {kind: {"filter": options.pop("filter")} if "filter" in options else {}, **options}
        self.asked: dict[str, Any] = {"with": {"a": expression}, "select": {"a": shown() if select is None else select}}
        self.cursors: dict[str, str] = {}

    def page(self, **changes: Any) -> list[dict[str, Any]]:
        answer = self.cdf.post("/models/instances/sync", {**self.asked, "cursors": self.cursors, **changes})
        self.cursors = answer["nextCursor"]
        assert set(self.cursors) == {"a"}
        items: list[dict[str, Any]] = answer["items"]["a"]
        return items

    def names(self, **changes: Any) -> list[str]:
        """Deleted ones with a minus sign."""
        return [("-" if "deletedTime" in one else "") + one["externalId"] for one in self.page(**changes)]


def make(cdf: Caller, *numbers: int) -> None:
    plant.apply(cdf, *(pump(f"p{n}", size=n) for n in numbers))
