# SPDX-License-Identifier: Apache-2.0
"""The arguments ``mode``, ``window_start`` and ``window_end``, and what they mean in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_replicator.core.arguments import coerce
from airflow_provider_replicator.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_replicator.cdf.options import Mode
    from airflow_provider_replicator.core.window import Resolution, Window


class WindowArguments:
    """For an operator that takes the three in its own ``__init__``."""

    mode: str | None
    window_start: str | None
    window_end: str | None
    log: Any

    def _mode_and_window(self, context: Context) -> tuple[Mode, Window | None]:
        """The mode of this run, and its window if it has one (arguments, then params, then data interval)."""
        from airflow_provider_replicator.core.window import THREE_WAYS

        mode = coerce("mode", self.mode, "text")
        if mode == "full":
            if self._resolved(context, with_interval=False).window:
                raise ConfigurationError(
                    "mode='full' copies everything: leave out window_start and window_end, or the mode"
                )
            self.log.info("mode full: everything, whatever the data interval of the run")
            return "full", None
        resolved = self._resolved(context)
        self.log.info(resolved.sentence)
        if mode == "window" and resolved.window is None:
            raise ConfigurationError(f"mode='window', but {resolved.sentence}. {THREE_WAYS}")
        return mode or ("window" if resolved.window else "full"), resolved.window

    def _resolved(self, context: Context, *, with_interval: bool = True) -> Resolution:
        from airflow_provider_replicator.core.window import resolve

        return resolve(
            window_start=self.window_start,
            window_end=self.window_end,
            params=context.get("params"),
            data_interval_start=context.get("data_interval_start") if with_interval else None,
            data_interval_end=context.get("data_interval_end") if with_interval else None,
        )
