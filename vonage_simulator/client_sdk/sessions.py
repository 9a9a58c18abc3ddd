"""The sessions of app users: one for each page, with or without a connection.

https://developer.vonage.com/en/vonage-client-sdk/sessions: a page that lost its connection may come back to its session
for 15 minutes. Seconds here are real ones, for so are pages and networks, however fast the carrier's clock goes.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from vonage_simulator.client_sdk.connection import Connection
from vonage_simulator.client_sdk.errors import session_error
from vonage_simulator.client_sdk.tokens import Grant

LIVES_ON = 15 * 60.0  # without a connection
# So long it also counts as logged in, and is rung: a page that is loaded again misses no call. What Vonage does with a
# call to a user whose page is away is not documented; to let it ring for 15 minutes would be of no use.
RINGS_ON = 30.0
MEDIA_TIMEOUT = 20.0  # without a connection its calls go on so long; the guide to the older SDK has that number:
# https://developer.vonage.com/en/legacy-client-sdk/in-app-voice/guides/reconnect-call-js
MOST_KEPT = 200  # events, for a page that comes back
MOST_OF_A_USER = 20  # ours; Vonage documents the error, not the number


class Session:
    """`connection` is None while the page is away. `calls` are the legs that it has answered or made."""

    def __init__(self, grant: Grant) -> None:
        self.id = f"SES-{uuid.uuid4()}"
        self.grant = grant
        self.connection: Connection | None = None
        self.away_since = 0.0  # by the monotonic clock
        self.calls: set[str] = set()
        self._number = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)

    @property
    def user(self) -> str:
        return self.grant.user

    @property
    def can_be_rung(self) -> bool:
        here = self.connection is not None or time.monotonic() - self.away_since < RINGS_ON
        return here and not self.grant.expired

    def tell(self, event: str, *args: Any) -> None:
        """Tell the page of an event, at once or when it comes back."""
        self._number += 1
        message = {"n": self._number, "event": event, "args": args}
        self._kept.append(message)
        if self.connection:
            self.connection.send(message)

    def repeat(self, seen: int) -> None:
        """Send the events after number *seen* again."""
        for message in self._kept:
            if self.connection and message["n"] > seen:
                self.connection.send(message)


class Sessions:
    """All sessions. *left* is called with one that is over, *silent* with one that has been away for a while."""

    def __init__(self, left: Callable[[Session], None], silent: Callable[[Session], None]) -> None:
        self._left, self._silent = left, silent
        self._sessions: dict[str, Session] = {}
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Future[None]] = set()

    def of(self, user: str) -> list[Session]:
        return [session for session in self._sessions.values() if session.user == user]

    def has(self, user: str) -> bool:
        """Whether *user* can be rung in a browser."""
        return any(session.user == user and session.can_be_rung for session in self._sessions.values())

    def create(self, grant: Grant, connection: Connection) -> Session:
        """A session that nobody comes back to, and that has no call, makes room. Raises SdkError."""
        theirs = self.of(grant.user)
        if len(theirs) >= MOST_OF_A_USER:
            if (left := next((it for it in theirs if not it.connection and not it.calls), None)) is not None:
                self.delete(left)
                return self.create(grant, connection)
            raise session_error("MAX_OPEN_SESSIONS", "the user has as many sessions as one may have")
        session = Session(grant)
        self._sessions[session.id] = session
        self._attach(session, grant, connection)
        return session

    def resume(self, id_: str, grant: Grant, connection: Connection) -> Session:
        """Come back to a session; a connection that it still has is of no use any more. Raises SdkError."""
        session = self._sessions.get(id_)
        if session is None or session.user != grant.user:
            raise session_error("INVALID_SESSION", "there is no such session of this user")
        if session.connection and session.connection is not connection:
            self._dismiss(session, "TRANSPORT_CLOSED")  # else two pages would take it from each other for ever
        self._attach(session, grant, connection)
        return session

    def refresh(self, session: Session, grant: Grant) -> None:
        """It is valid for as long as the new token is. Raises SdkError."""
        if grant.user != session.user:
            raise session_error("INVALID_USER", "the token is of another user than the session")
        session.grant = grant
        self._expire_later(session)

    def lose(self, session: Session, connection: Connection) -> None:
        """*connection* is gone."""
        if session.connection is connection:
            session.connection, session.away_since = None, time.monotonic()
            self._later(session, "media", MEDIA_TIMEOUT, lambda: self._silent(session))
            self._later(session, "life", LIVES_ON, lambda: self.delete(session))

    def expire(self, session: Session) -> None:
        """Its token has expired. The page may come back with another one."""
        if connection := session.connection:
            self._dismiss(session, "EXPIRED_TOKEN")
            self.lose(session, connection)

    def delete(self, session: Session) -> None:
        if self._sessions.pop(session.id, None):
            for name in ("media", "life", "token"):
                self._cancel(session, name)
            self._left(session)

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._sessions.clear()

    def __iter__(self) -> Iterator[Session]:
        return iter([*self._sessions.values()])

    def _attach(self, session: Session, grant: Grant, connection: Connection) -> None:
        session.connection, session.grant = connection, grant
        for name in ("media", "life"):
            self._cancel(session, name)
        self._expire_later(session)

    def _dismiss(self, session: Session, reason: str) -> None:
        """Tell the page that it has no session any more, and why (a `SessionErrorReason` of the SDK), and close."""
        if connection := session.connection:
            connection.send({"session_error": reason})
            closing = asyncio.ensure_future(connection.finish())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _expire_later(self, session: Session) -> None:
        self._later(session, "token", session.grant.expires - time.time(), lambda: self.expire(session))

    def _later(self, session: Session, name: str, seconds: float, work: Callable[[], None]) -> None:
        self._cancel(session, name)
        self._timers[session.id, name] = asyncio.get_running_loop().call_later(max(0.0, seconds), work)

    def _cancel(self, session: Session, name: str) -> None:
        if timer := self._timers.pop((session.id, name), None):
            timer.cancel()
