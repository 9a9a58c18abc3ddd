"""Finds out what users are to know of their sessions, and appends it to their streams.

Any worker may do it at any time, also two at once: what was sent is kept with the events (`app/store/user_events.py`),
so each is appended once, and nothing is lost if one of them dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from app.calls.fields import timestamp
from app.calls.sessions import SessionQueries, user_json
from app.domain.session_events import NOTHING_SENT, Mark, events_between, mark_of, state_events, state_mark
from app.domain.sessions import Session, current_of
from app.domain.users import DEFAULTS
from app.store.user_events import UserEvent
from app.store.users import User

LATE: Final = timedelta(hours=1)  # a call that ended longer ago, and of which nothing was sent, is no news


STATE: Final = ""  # in place of a session's id: what is known of the user as such
ANSWER_REQUESTED: Final = "answer_requested"
TRIES: Final = 3


class EventStore(Protocol):
    """What is needed of the store. All raise StoreUnavailable."""

    def marks(self, name: str, sessions: Iterable[str]) -> list[Mark]:
        """What the user *name* was sent of each of *sessions*."""

    def publish(self, name: str, session: str, before: Mark, after: Mark, events: Sequence[Mapping[str, Any]]) -> bool:
        """Append *events*, unless the mark *before* is no longer there."""

    def latest_user_event(self, name: str) -> str:
        """The id of the latest event of the user *name*."""

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """The next events after the one with this id; None if it is no longer there."""


class Look(NamedTuple):
    """What a look at a user found: how many new events, and how many live sessions."""

    events: int
    live: int


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Events of the sessions that *queries* reads. Numbers in them are whole. Raises StoreUnavailable."""

    queries: SessionQueries
    store: EventStore

    def catch_up(self, name: str) -> Look:
        """Append what the user *name* was not sent yet."""
        now, appended = datetime.now(UTC), 0
        user = self.queries.user(name)
        sessions = self.queries.latest(name, user)
        state, *marks = self.store.marks(name, [STATE, *(session.id for session in sessions)])
        known = zip(sessions, marks, strict=True)
        changed = [(session, mark) for session, mark in known if _is_news(session, mark, now)]
        dumped = self.queries.dump_all([session for session, _ in changed], "user")
        for (session, mark), json in zip(changed, dumped, strict=True):
            events = [
                {"event": event.name, "user": name, "at": timestamp(now), "session": json, **event.data}
                for event in events_between(mark, session)
            ]
            appended += len(events) * self.store.publish(name, session.id, mark, mark_of(mark, session), events)
        live = [session for session in sessions if session.live]
        appended += self._state(name, user, current_of(live, user.chosen), state, now)
        return Look(appended, len(live))

    def _state(self, name: str, user: User, current: Session | None, before: Mark, now: datetime) -> int:
        """Append what changed of the user as such; who was never looked at has no changes."""
        after = state_mark(user.settings or DEFAULTS, user.registration, current)
        if after == before:
            return 0
        shown = self.queries.dump_all([current], "user")[0] if current else None
        base = {
            "user": name,
            "at": timestamp(now),
            "session": shown,
            "userState": user_json(name, user.settings or DEFAULTS, user.registration),
        }
        events = [{"event": event, **base} for event in state_events(before, after)]
        return len(events) * self.store.publish(name, STATE, before, after, events)

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """The next events after the one with this id; None if it is no longer there."""
        return self.store.user_events(name, after, limit)

    def now(self, name: str) -> tuple[str, dict[str, Any]]:
        """The user *name* with all live sessions, for who begins here; and the id of an event that is not newer."""
        after = self.store.latest_user_event(name)
        user = self.queries.user(name)
        phone = self.queries.phone(name, user)
        return after, {
            "event": "sessions",
            "user": name,
            "at": timestamp(datetime.now(UTC)),
            "sessions": self.queries.dump_all(phone.sessions, "user"),
            "currentSessionID": phone.current.id if phone.current else None,
            "userState": user_json(name, user.settings or DEFAULTS, user.registration),
        }

    def request_answer(self, session: Session) -> None:
        """Append that the pages of the user are to answer *session*, which rings."""
        (json,) = self.queries.dump_all([session], "user")
        data = {"event": ANSWER_REQUESTED, "user": session.user, "at": timestamp(datetime.now(UTC)), "session": json}
        for _ in range(TRIES):  # somebody else may append something at the same moment
            (mark,) = self.store.marks(session.user, [session.id])
            if mark == NOTHING_SENT:
                self.catch_up(session.user)  # the call comes first
            elif self.store.publish(session.user, session.id, mark, mark, [data]):
                return


def _is_news(session: Session, mark: Mark, now: datetime) -> bool:
    if mark == NOTHING_SENT and not session.live and (session.ended or session.created) < now - LATE:
        return False
    return mark_of(mark, session) != mark
