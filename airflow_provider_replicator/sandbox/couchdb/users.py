# SPDX-License-Identifier: Apache-2.0
"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass

ADMIN_ROLE = "_admin"


@dataclass(frozen=True, slots=True)
class User:
    """``name`` is None for somebody who did not say who they are; ``handler`` is how they did (``default``, ``cookie``, …)."""

    name: str | None = None
    roles: tuple[str, ...] = ()
    handler: str | None = None

    @property
    def is_admin(self) -> bool:
        return ADMIN_ROLE in self.roles


ANONYMOUS = User()
#: the server itself: may everything, writes are not attributed to anybody
SERVER = User(None, (ADMIN_ROLE,))
