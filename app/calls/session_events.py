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
from app.domain.news import (
    OVER,
    Followed,
    Marked,
    OperationEvent,
    UserState,
    find_news,
    operations_in,
)
from app.domain.operations import Happened
from app.domain.session_events import STATE, Mark
from app.domain.sessions import Session
from app.domain.users import DEFAULTS
from app.store.apart import apart
from app.store.user_events import UserEvent

LATE: Final = timedelta(hours=1)  # a call that ended longer ago, and of which nothing was sent, is no news
TRIES: Final = 3
# Events of calls that are projected in one look, most of them more than once: about a tenth of a second.
MOST_PROJECTED: Final = 3_000


class EventStore(Protocol):
    """What is needed of the store. All raise StoreUnavailable."""

    def published(self, name: str) -> int:
        """How often something was published to the user *name*: read it before all that a look reads."""

    def marks(self, name: str, sessions: Iterable[str]) -> list[Mark]:
        """What the user *name* was sent of each of *sessions*."""

    def publish(self, name: str, after: int, marks: Mapping[str, Mark], events: Sequence[Mapping[str, Any]]) -> bool:
        """Append *events*, and keep *marks*, unless something was published *after* so many times."""

    def latest_user_event(self, name: str) -> str:
        """The id of the latest event of the user *name*."""

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """The next events after the one with this id; None if it is no longer there."""

    def operations_of(self, legs: Iterable[str]) -> set[str]:
        """The operations that had *legs* last."""


class Operation(NamedTuple):
    """An operation of *legs*; `events`: all that has happened to it and is news. `over`: nothing more will."""

    legs: frozenset[str]
    events: Sequence[OperationEvent]
    over: bool


class Operations(Protocol):
    """Operations of several steps. All raise StoreUnavailable."""

    def find(self, id_: str) -> Operation | None:
        """The one with this id; None if it is not stored yet, or no more. Of one that is no news nothing happens."""


class Look(NamedTuple):
    """What a look at a user found: how many new events, how many live sessions; whether to look again at once."""

    events: int
    live: int
    more: bool


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Events of the sessions that *queries* reads. Numbers in them are whole. Raises StoreUnavailable."""

    queries: SessionQueries
    store: EventStore
    operations: Operations

    def catch_up(self, name: str) -> Look:
        """Append what the user *name* was not sent yet: all that was found, or nothing if somebody else did meanwhile.

        It reads the calls that the user may be in, and the logs of transfers and conferences that their legs are in.
        """
        before = self.store.published(name)  # at first: what others publish from here on may be newer than what is read
        now, user = datetime.now(UTC), self.queries.user(name)
        settings = user.settings or DEFAULTS
        sessions, log = self.queries.followed(name, user)
        state, *marks = self.store.marks(name, [STATE, *(session.id for session in sessions)])
        every = map(Marked, sessions, marks)
        marked = [each for each in every if not _is_old(each, now)]
        followed = self._followed(name, [session for session, _ in marked])
        known = UserState(state, settings, user.registration, user.chosen)
        found = apart(lambda: find_news(known, marked, followed, log, now, MOST_PROJECTED))
        live = sum(session.live for session in sessions)
        if not found.marks:
            return Look(0, live, more=False)
        of_user = {"userState": user_json(name, settings, user.registration)}
        distinct = {id(news.session): news.session for news in found.news if news.session}
        dumped = dict(zip(distinct, self.queries.dump_all(list(distinct.values()), "user"), strict=True))
        events = [
            _event(
                news.happened,
                name,
                news.at,
                dumped[id(news.session)] if news.session else None,
                **(of_user if news.of_user else news.shown),
            )
            for news in found.news
        ]
        appended = self.store.publish(name, before, found.marks, events)
        return Look(len(events) * appended, live, more=found.more or not appended)

    def _followed(self, name: str, sessions: Sequence[Session]) -> list[Followed]:
        """The transfers and conferences in which legs of *sessions* take part, unless all of them was sent.

        They are of the session from which they began, not of a consultation.
        """
        sessions = [session for session in sessions if session.controls.parent is None]
        legs = {leg.leg.uuid: session.id for session in sessions for leg in session.call.legs}
        legs |= {session.leg: session.id for session in sessions if session.leg}
        ids = self.store.operations_of(legs) if legs else set()
        ids |= {id_ for session in sessions for id_ in operations_in(session)}
        followed = []
        for id_, mark in zip(ids, self.store.marks(name, ids) if ids else (), strict=True):
            operation = self.operations.find(id_) if OVER not in mark.sent else None
            here = min(operation.legs & legs.keys(), default=None) if operation else None
            if operation and (here or operation.over):
                followed.append(Followed(id_, mark, operation.events, operation.over, legs.get(here or "", "")))
        return sorted(followed)

    def latest(self, name: str) -> str:
        """The id of the latest event of the user *name*."""
        return self.store.latest_user_event(name)

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

    def append(self, session: Session, happened: Happened) -> None:
        """Append what *happened* to the events of the user of *session*: what no look would find."""
        data = _event(happened, session.user, datetime.now(UTC), self._dumped(session))
        for _ in range(TRIES):  # somebody else may append something at the same moment
            before = self.store.published(session.user)
            (mark,) = self.store.marks(session.user, [session.id])
            if not mark.sent:
                self.catch_up(session.user)  # the call comes first
            elif self.store.publish(session.user, before, {}, [data]):
                return

    def _dumped(self, session: Session | None) -> dict[str, Any] | None:
        return self.queries.dump_all([session], "user")[0] if session else None


def _event(happened: Happened, user: str, at: datetime, session: Any, **more: Any) -> dict[str, Any]:
    """An event as it is sent; *session* and *more* as JSON."""
    base = {"event": happened.name, "user": user, "at": timestamp(at), "session": session}
    return {**base, **more, **happened.data}


def _is_old(marked: Marked, now: datetime) -> bool:
    session, mark = marked
    return not mark.sent and not session.live and (session.ended or session.created) < now - LATE
