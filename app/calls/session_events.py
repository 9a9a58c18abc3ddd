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
from app.domain.operations import Happened
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


class Operation(NamedTuple):
    """A transfer or conference. `name` is which; `events`: all so far; `shown`: as JSON, numbers whole."""

    key: str
    name: str
    legs: frozenset[str]
    events: Sequence[Happened]
    shown: Mapping[str, Any]
    ended: bool


class Operations(Protocol):
    """Transfers and conferences. All raise StoreUnavailable."""

    def open(self) -> list[Operation]:
        """Those that have not ended."""

    def find(self, key: str) -> Operation | None:
        """The one with this key; None if it is stored no more."""


class Look(NamedTuple):
    """What a look at a user found: how many new events, and how many live sessions."""

    events: int
    live: int


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Events of the sessions that *queries* reads. Numbers in them are whole. Raises StoreUnavailable."""

    queries: SessionQueries
    store: EventStore
    operations: Operations

    def catch_up(self, name: str) -> Look:
        """Append what the user *name* was not sent yet."""
        now, appended = datetime.now(UTC), 0
        user = self.queries.user(name)
        sessions = self.queries.latest(name, user)
        state, *marks = self.store.marks(name, [STATE, *(session.id for session in sessions)])
        read = [(session, mark, mark_of(mark, session)) for session, mark in zip(sessions, marks, strict=True)]
        changed = [
            (session, mark, after) for session, mark, after in read if after != mark and not _is_old(session, mark, now)
        ]
        dumped = self.queries.dump_all([session for session, _, _ in changed], "user")
        for (session, mark, after), json in zip(changed, dumped, strict=True):
            events = [_event(happened, name, now, json) for happened in events_between(mark, session)]
            appended += len(events) * self.store.publish(name, session.id, mark, after, events)
        live = [session for session in sessions if session.live]
        followed = self._operations(sessions, state.sent) if live or state.sent else []
        marks = self.store.marks(name, [operation.key for operation, _ in followed]) if followed else []
        for (operation, own), mark in zip(followed, marks, strict=True):
            appended += self._of_operation(name, operation, own, mark, now)
        going_on = tuple(sorted(operation.key for operation, _ in followed if not operation.ended))
        appended += self._state(name, user, current_of(live, user.chosen), state, going_on, now)
        return Look(appended, len(live))

    def _operations(self, sessions: Sequence[Session], before: Sequence[str]) -> list[tuple[Operation, Session | None]]:
        """The operations that legs of *sessions* take part in, each with such a session; and those of *before*."""
        by_leg = {leg.leg.uuid: session for session in sessions for leg in session.call.legs}
        by_leg |= {session.leg: session for session in sessions if session.leg}
        found = {operation.key: operation for operation in self.operations.open() if operation.legs & by_leg.keys()}
        ended = (self.operations.find(key) for key in before if key not in found)
        known = [*found.values(), *(operation for operation in ended if operation)]
        return [
            (operation, next((by_leg[leg] for leg in sorted(operation.legs) if leg in by_leg), None))
            for operation in known
        ]

    def _of_operation(self, name: str, operation: Operation, session: Session | None, mark: Mark, now: datetime) -> int:
        """Append what happened to *operation*; its mark is how many events were sent."""
        new = operation.events[int(mark.shown[0]) if mark.shown else 0 :]
        if not new:
            return 0
        shown = {operation.name: operation.shown}
        events = [_event(happened, name, now, self._dumped(session), **shown) for happened in new]
        after = Mark(shown=(str(len(operation.events)),))
        return len(events) * self.store.publish(name, operation.key, mark, after, events)

    def _state(
        self, name: str, user: User, current: Session | None, before: Mark, going_on: tuple[str, ...], now: datetime
    ) -> int:
        """Append what changed of the user as such; who was never looked at has no changes.

        *going_on*: operations, kept in the mark to be looked at once more after their end.
        """
        after = state_mark(user.settings or DEFAULTS, user.registration, current)._replace(sent=going_on)
        if after == before:
            return 0
        shown = {"userState": user_json(name, user.settings or DEFAULTS, user.registration)}
        changed = map(Happened, state_events(before, after))
        events = [_event(happened, name, now, self._dumped(current), **shown) for happened in changed]
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
        data = _event(Happened(ANSWER_REQUESTED), session.user, datetime.now(UTC), self._dumped(session))
        for _ in range(TRIES):  # somebody else may append something at the same moment
            (mark,) = self.store.marks(session.user, [session.id])
            if mark == NOTHING_SENT:
                self.catch_up(session.user)  # the call comes first
            elif self.store.publish(session.user, session.id, mark, mark, [data]):
                return

    def _dumped(self, session: Session | None) -> dict[str, Any] | None:
        return self.queries.dump_all([session], "user")[0] if session else None


def _event(happened: Happened, user: str, at: datetime, session: Any, **more: Any) -> dict[str, Any]:
    """An event as it is sent; *session* and *more* as JSON."""
    base = {"event": happened.name, "user": user, "at": timestamp(at), "session": session}
    return {**base, **more, **happened.data}


def _is_old(session: Session, mark: Mark, now: datetime) -> bool:
    return mark == NOTHING_SENT and not session.live and (session.ended or session.created) < now - LATE
