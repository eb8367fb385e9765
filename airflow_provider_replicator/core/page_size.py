# SPDX-License-Identifier: Apache-2.0
"""How much to ask for in one request: less when that is too much, more again as pages succeed. Pure."""

from __future__ import annotations

#: Good pages in a row before a size that shrank is raised by half.
_GOOD_PAGES = 4


class PageSize:
    """``now`` is how many to ask for: ``first``, then up to ``most``; where the server has trouble, down to ``smallest``, below which
    a page is not to blame; where an answer is too large, down to 1.
    """

    def __init__(self, most: int, smallest: int = 50, *, first: int | None = None) -> None:
        self.now = min(first or most, most)
        self.smallest = min(smallest, most)
        self._most = most
        self._good = 0

    def too_much(self) -> bool:
        """For the server: halve; False if that would be pointless."""
        return self._halve(self.smallest)

    def too_large(self) -> bool:
        """For memory, or for a limit of bytes: halve; False if it is a single one."""
        return self._halve(1)

    def fine(self, at_most: int | None = None) -> None:
        """A page of this size was no trouble; so many would be, by what is known of it."""
        self._good += 1
        most = self._most if at_most is None else max(1, min(self._most, at_most))
        if self._good >= _GOOD_PAGES and self.now < most:
            self.now = min(most, self.now + max(1, self.now // 2))
            self._good = 0
        self.now = min(self.now, most)

    def _halve(self, least: int) -> bool:
        if self.now <= least:
            return False
        self.now = max(least, self.now // 2)
        self._good = 0
        return True
