# SPDX-License-Identifier: Apache-2.0
"""Crashes at random effects on the lake: exceptions that no code catches. What SIGKILL does is tested with :mod:`.killable`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.lake.objects import LocalObjects
from airflow_provider_replicator.lake.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Crash(BaseException):
    """The process ends here."""


class Crashing:
    """Counts effects, and crashes after some of them if that is wanted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        for owner, name in ((LocalObjects, "put_if_absent"), (Table, "append"), (Table, "replace")):
            self._watch(owner, name, monkeypatch)

    def _watch(self, owner: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        inner = getattr(owner, name)

        def effect(*args: Any, **kwargs: Any) -> Any:
            result = inner(*args, **kwargs)
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise Crash
            return result

        monkeypatch.setattr(owner, name, effect)

    def after(self, effects: int, work: Callable[[], object]) -> None:
        """``work``, which ends with a crash after so many effects, or comes to its end before."""
        self._left = effects
        try:
            work()
        except Crash:
            pass
        finally:
            self._left = None
