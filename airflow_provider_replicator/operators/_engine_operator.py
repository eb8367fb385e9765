# SPDX-License-Identifier: Apache-2.0
"""What every operator that runs an engine has in common: how it is run inside a task."""

from __future__ import annotations

from abc import abstractmethod
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_replicator.core.arguments import Kind, given
from airflow_provider_replicator.exceptions import ReplicatorError, TransientError
from airflow_provider_replicator.operators._engine_thread import EngineThread
from airflow_provider_replicator.operators._window_arguments import WindowArguments

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from airflow.sdk import Context

    Main = Callable[[], Coroutine[Any, Any, dict[str, Any]]]


class EngineOperator(BaseOperator):
    """One coroutine, run to its end; its report is what the task returns."""

    _engine: EngineThread[dict[str, Any]] | None = None
    _told_to_stop = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the arguments, connect, run, and return the report. Nothing is opened while an argument is wrong."""
        self._engine = EngineThread(self._main(context))
        if self._told_to_stop:  # while the arguments were read
            self._engine.cancel()
        try:
            return self._finished(context, self._engine.run())
        except CancelledError:
            # A user who stopped the task has already set its state; a worker that goes away wants the task elsewhere.
            raise TransientError("the task was told to stop; a retry goes on at its last checkpoint") from None
        except ReplicatorError as error:
            self._failed(context, error)
            raise

    def on_kill(self) -> None:
        """Cancel what runs and close its connections. What is written stays; a retry goes on at the last checkpoint."""
        self._told_to_stop = True
        if self._engine is not None:
            self._engine.cancel()

    @abstractmethod
    def _main(self, context: Context) -> Main:
        """What to run, with all arguments and connections read and checked."""

    @abstractmethod
    def _finished(self, context: Context, report: dict[str, Any]) -> dict[str, Any]:
        """Tell Airflow about a run that did all it should."""

    @abstractmethod
    def _failed(self, context: Context, error: ReplicatorError) -> None:
        """Leave in Airflow what is known about a run that fails with ``error``."""

    def _given(self, kinds: Mapping[str, Kind]) -> dict[str, Any]:
        """The arguments in ``kinds`` that this operator has and that were given."""
        return given(self, kinds)


class WindowedOperator(EngineOperator, WindowArguments):
    """An engine's operator with the arguments ``mode``, ``window_start`` and ``window_end``, which its own ``__init__`` takes."""
