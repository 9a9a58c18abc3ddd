"""Counts requests per second."""

from __future__ import annotations

from collections import deque


class RateLimit:
    """A sliding window of one second."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque()

    def take(self, now: float, limit: float | None) -> bool:
        """Count a request at *now*, in seconds; False, uncounted, if there were *limit* in the last second."""
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if limit is not None and len(self._taken) >= limit:
            return False
        self._taken.append(now)
        return True
