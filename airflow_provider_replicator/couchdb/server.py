# SPDX-License-Identifier: Apache-2.0
"""What a server says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

_PRODUCTS = {"The Apache Software Foundation": "Apache CouchDB", "PouchDB authors": "PouchDB Server"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The answer to ``GET /``. ``version`` is ``(0,)`` where there is none; ``uuid`` is the server's own, if it has one."""

    vendor: str
    version_text: str
    version: tuple[int, ...]
    features: frozenset[str]
    uuid: str | None

    @property
    def scheduler(self) -> bool:
        """Whether jobs have states in ``_scheduler/docs``; false on servers that keep them in the documents (v1)."""
        return "scheduler" in self.features

    @classmethod
    def of(cls, root: Any) -> Self:
        """Read leniently: CouchDB, Cloudant and PouchDB differ."""
        root = root if isinstance(root, dict) else {}
        vendor = root.get("vendor")
        text = str(root.get("version") or "")
        features = root.get("features")
        uuid = root.get("uuid")
        return cls(
            vendor=str(vendor.get("name") or "unknown") if isinstance(vendor, dict) else "unknown",
            version_text=text,
            version=tuple(int(number) for number in re.findall(r"\d+", text.partition("-")[0])[:3]) or (0,),
            features=frozenset(map(str, features)) if isinstance(features, list) else frozenset(),
            uuid=str(uuid) if uuid else None,
        )

    def __str__(self) -> str:
        return f"{_PRODUCTS.get(self.vendor, self.vendor)} {self.version_text}".strip()
