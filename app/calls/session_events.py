"""Finds out what users are to know of their sessions, and appends it to their streams.

Any worker may do it at any time, also two at once: what was sent is kept with the events (`app/store/user_events.py`),
so each is appended once, and nothing is lost if one of them dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from app.calls.fields import timestamp
from app.calls.sessions import SessionQueries
from app.domain.session_events import NOTHING_SENT, Mark, events_between, mark_of
from app.domain.sessions import Session

LATE: Final = timedelta(hours=1)  # a call that ended longer ago, and of which nothing was sent, is no news


class EventStore(Protocol):
    """What is needed of the store. All raise StoreUnavailable."""

    def marks(self, name: str, sessions: Iterable[str]) -> list[Mark]:
        """What the user *name* was sent of each of *sessions*."""

    def tell(self, name: str, session: str, before: Mark, after: Mark, events: Sequence[Mapping[str, Any]]) -> bool:
        """Append *events*, unless the mark *before* is no longer there."""


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Events of the sessions that *queries* reads. Raises StoreUnavailable."""

    queries: SessionQueries
    store: EventStore

    def catch_up(self, name: str) -> int:
        """Append what the user *name* was not sent yet; returns how many events. Numbers in them are whole."""
        now, appended = datetime.now(UTC), 0
        sessions = self.queries.latest(name, self.queries.user(name))
        marks = self.store.marks(name, [session.id for session in sessions])
        known = zip(sessions, marks, strict=True)
        changed = [(session, mark) for session, mark in known if _is_news(session, mark, now)]
        dumped = self.queries.dump_all([session for session, _ in changed], "user")
        for (session, mark), json in zip(changed, dumped, strict=True):
            events = [
                {"event": event.name, "user": name, "at": timestamp(now), "session": json, **event.data}
                for event in events_between(mark, session)
            ]
            appended += len(events) * self.store.tell(name, session.id, mark, mark_of(mark, session), events)
        return appended


def _is_news(session: Session, mark: Mark, now: datetime) -> bool:
    if mark == NOTHING_SENT and not session.live and (session.ended or session.created) < now - LATE:
        return False
    return mark_of(mark, session) != mark
