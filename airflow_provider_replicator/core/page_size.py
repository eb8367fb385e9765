# SPDX-License-Identifier: Apache-2.0
"""How much to ask for in one request: less when the server has trouble with it, more again as pages succeed. Pure."""

from __future__ import annotations

#: Good pages in a row before a size that shrank is raised by half.
_GOOD_PAGES = 4


class PageSize:
    """``now`` is how many to ask for, from ``smallest`` (below which a page is not to blame) to ``most``."""

    def __init__(self, most: int, smallest: int = 50) -> None:
        self.now = most
        self.smallest = min(smallest, most)
        self._most = most
        self._good = 0

    def too_much(self) -> bool:
        """Halve; False if that would be pointless."""
        if self.now <= self.smallest:
            return False
        self.now = max(self.smallest, self.now // 2)
        self._good = 0
        return True

    def fine(self) -> None:
        """A page of this size was no trouble."""
        self._good += 1
        if self._good >= _GOOD_PAGES and self.now < self._most:
            self.now = min(self._most, self.now + max(1, self.now // 2))
            self._good = 0
