"""While Redis does not reply in time, one event a second asks whether it does again; the others need not wait."""

from __future__ import annotations

from time import monotonic

from app.store import timeouts


class Breaker:
    """Opened by a time-out, closed by a reply. Errors that come at once open nothing: nobody waits for them."""

    def __init__(self) -> None:
        self._retry_at: float | None = None  # monotonic; None: closed

    def admits(self) -> bool:
        """Whether to ask Redis now. While it is open: True once in HUNG_SECONDS."""
        if self._retry_at is None:
            return True
        now = monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + timeouts.HUNG_SECONDS
        return True

    def timed_out(self) -> None:
        """Redis did not reply."""
        if self._retry_at is None:
            self._retry_at = monotonic() + timeouts.HUNG_SECONDS

    def replied(self) -> None:
        """Redis replied, if only with an error."""
        self._retry_at = None
