"""What logins need: the sessions of browsers, and how many wrong tokens came in the last minute."""

from __future__ import annotations

from app.store import keys
from app.store.connected import Connected
from app.store.link import Command

SECONDS_COUNTED = 120  # a counter is of one minute; its clock is that of the worker


class Logins(Connected):
    """Sessions and counters. All keys expire."""

    def open_session(self, session: str, login: str, seconds: int) -> None:
        """Keep *session*, opened with *login*, for *seconds*."""
        key = keys.session(session)
        self._writer.send([Command(key, ("SET", key, login, "EX", seconds))])

    def login_of(self, session: str) -> str | None:
        """What *session* was opened with; None if it has ended."""
        key = keys.session(session)
        (login,) = self._reader.fetch([Command(key, ("GET", key))])
        return login.decode() if login else None

    def end_session(self, session: str) -> None:
        """End *session*, in whichever browser it is."""
        key = keys.session(session)
        self._writer.send([Command(key, ("DEL", key))])

    def count_guess(self, who: str, minute: int, add: int) -> int:
        """Add *add* to the guesses of *who* in *minute*; returns how many there are now."""
        key = keys.guesses(who, minute)
        counted, _ = self._writer.send(
            [Command(key, ("INCRBY", key, add)), Command(key, ("EXPIRE", key, SECONDS_COUNTED))]
        )
        return int(counted)
