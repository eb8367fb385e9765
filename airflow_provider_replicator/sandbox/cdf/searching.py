# SPDX-License-Identifier: Apache-2.0
"""``/search``: words, matched by their beginnings, best first. For humans, as the service's own search is."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_replicator.sandbox.cdf.fields import text
from airflow_provider_replicator.sandbox.cdf.http import ApiError
from airflow_provider_replicator.sandbox.cdf.indexes import Document
from airflow_provider_replicator.sandbox.cdf.payload import checked

_WORD = re.compile(r"\w+")


def tokens(value: Any) -> list[str]:
    return _WORD.findall(value.lower().replace("_", " ")) if isinstance(value, str) else []


class Scorer:
    """``search`` of the request: ``{"name", "description", "query"}``; ``query`` looks into every searched property."""

    def __init__(self, search: Any, properties: tuple[str, ...]) -> None:
        if type(search) is not dict:
            raise ApiError(400, "search: expected an object")
        self._wanted: list[tuple[tuple[str, ...], list[str]]] = []
        for name, value in search.items():
            if value is None or name not in ("name", "description", "query"):
                continue
            words = tokens(checked(f"search.{name}", text(1000), value))
            self._wanted.append((properties if name == "query" else (name,), words))

    def score(self, doc: Document) -> float:
        """0: does not match. Every searched property must match a little; without any, everything matches."""
        total = 1.0
        for properties, words in self._wanted:
            found = max((_similarity(words, tokens(doc.get(name))) for name in properties), default=0.0)
            if not found:
                return 0.0
            total += found
        return total


def _similarity(words: list[str], held: list[str]) -> float:
    if not words or not held:
        return 0.0
    exact = sum(word in held for word in words)
    begins = sum(any(part.startswith(word) or word in part for part in held) for word in words)
    return (exact * 2 + begins) / (len(words) + 0.01 * len(held))
