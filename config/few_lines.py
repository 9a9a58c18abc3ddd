"""A limit for log lines that anybody can cause: nobody fills the log."""

import time

A_MINUTE = 60  # lines of one worker


class FewLines:
    """Lets at most *a_minute* lines through in any minute, and counts the others."""

    def __init__(self, a_minute: int = A_MINUTE) -> None:
        self._a_minute = a_minute
        self._since, self._lines, self._left_out = 0.0, 0, 0

    def one_more(self) -> bool:
        """Whether one more line may be written now."""
        self._turn()
        self._lines += 1
        return self._lines <= self._a_minute

    def left_out(self) -> int:
        """How many lines of minutes that are over were left out, since this was last called."""
        self._turn()
        left_out, self._left_out = self._left_out, 0
        return left_out

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self._since >= 60:
            self._left_out += max(0, self._lines - self._a_minute)
            self._since, self._lines = now, 0
