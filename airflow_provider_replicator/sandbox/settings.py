# SPDX-License-Identifier: Apache-2.0
"""What a test can switch at run time, through ``/_sandbox/settings`` or in process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class ServerSettings:
    """``latency_ms`` is waited before every answer. ``max_body_bytes``: larger request bodies get 413. ``gzip`` allows compressed
    answers."""

    latency_ms: float = 0.0
    max_body_bytes: int = 100 * 1024 * 1024
    gzip: bool = True

    def update(self, values: dict[str, Any]) -> None:
        """Change the named settings. Raises ValueError for an unknown name or a value of the wrong type; then nothing changed."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"unknown setting {name!r}; there are: {', '.join(kinds)}")
            accepted = (int, float) if kinds[name] is float else (kinds[name],)
            if not isinstance(value, accepted) or (isinstance(value, bool) and kinds[name] is not bool):
                raise ValueError(f"setting {name!r} must be a {kinds[name].__name__}")
        for name, value in values.items():
            setattr(self, name, kinds[name](value))
