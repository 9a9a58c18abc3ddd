"""Reads the sessions of users from the store, for the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from app.calls import session_schemas
from app.calls.call_queries import CallFilter, CallPosition, CallQueries
from app.calls.fields import timestamp
from app.domain.actions import Action
from app.domain.calls import Call
from app.domain.session_log import SessionLog
from app.domain.sessions import Remarks, Session, current_of, is_full
from app.domain.user_sessions import claimed, placed_for_consultation, session_in
from app.domain.users import DEFAULTS, Registration, UserSettings
from app.store.apart import apart
from app.store.users import Profile, User


class UserStore(Protocol):
    """What sessions need of the store. All raise StoreUnavailable."""

    def user(self, name: str, presumed_before: datetime) -> User:
        """What is kept of a user."""

    def remarks(self, name: str, sessions: Iterable[str]) -> list[Remarks]:
        """What a user says of each of *sessions*."""

    def profiles(self, names: Sequence[str]) -> list[Profile]:
        """What is kept of each of the users *names*."""


class Phone(NamedTuple):
    """What goes on at a user now: live sessions, newest first; the current one; whether no other call is taken."""

    sessions: list[Session]
    current: Session | None
    is_full: bool


@dataclass(frozen=True, slots=True)
class SessionQueries:
    """Reads sessions and dumps them as JSON. Needs no request. All that reads raises StoreUnavailable."""

    queries: CallQueries
    store: UserStore

    def masks_for(self, role: str | None) -> bool:
        """Whether *role* sees masked numbers here. Users see whole ones: what they read is their own."""
        return role != "user" and self.queries.reader.masks_for(role)

    def user(self, name: str) -> User:
        """What is kept of the user *name*."""
        return self.store.user(name, datetime.now(UTC) - self.queries.reader.presume_ended_after)

    def phone(self, name: str, user: User) -> Phone:
        """What goes on at *name*, of whom *user* is kept."""
        live = [one for one in reversed(self.latest(name, user)) if one.live]
        return Phone(live, current_of(live, user.chosen), is_full(live, (user.settings or DEFAULTS).max_calls))

    def latest(self, name: str, user: User) -> list[Session]:
        """The sessions of *name* that are live, and the latest that have ended; the oldest first."""
        return self.followed(name, user)[0]

    def followed(self, name: str, user: User) -> tuple[list[Session], SessionLog]:
        """The same, and the log of all their events."""
        calls, tied = self.queries.tied_calls(user.conversations)
        found = claimed(self._sessions(calls, name, user.settings or DEFAULTS))
        by_id = {call.id: call for call in calls}
        log = SessionLog(tied.conversations, by_id, tied.legs.keys(), self.queries.reader.presume_ended_after)
        return sorted(found, key=lambda one: (one.created, one.id)), log

    def ended(
        self, name: str, user: User, *, limit: int, after: CallPosition | None
    ) -> tuple[list[Session], CallPosition | None]:
        """The next sessions of *name* that have ended, newest first; there may be fewer though there are more.

        Consultations are not counted in *limit*; each is beside the session that it is for.
        """
        page = self.queries.page(CallFilter(user=name), limit=limit, after=after)
        known = {call.id for call in page.calls}
        moved = [conversation for call in page.calls if _is_moved(call) for conversation in call.everywhere]
        tied = [call for call in self.queries.calls_of(moved) if call.id not in known] if moved else []
        sessions = self._sessions([*page.calls, *tied], name, user.settings or DEFAULTS)
        found = []
        for session in sessions:
            if session.id in known:
                beside = [one for one in sessions if one.controls.parent == session.id and one.id not in known]
                found += [*sorted(beside, key=lambda one: (one.created, one.id), reverse=True), session]
        return [one for one in found if not one.live], page.next

    def session(self, name: str, id_: str) -> Session | None:
        """The session of *name* in the call with this id, or with a leg or conversation that has it."""
        call = self.queries.call(id_)
        if call is None:
            return None
        (kept,) = self.store.profiles([name])
        found = self._sessions([call], name, kept.settings or DEFAULTS)
        if not found or placed_for_consultation(call):  # then the leg of who consults is of another call
            tied = [other for other in self.queries.calls_of(call.everywhere) if other.id != call.id]
            found = self._sessions([call, *tied], name, kept.settings or DEFAULTS)
        return next((session for session in found if session.id == call.id), None)

    def dump_all(self, sessions: Sequence[Session], role: str | None) -> list[dict[str, Any]]:
        """Each of *sessions* as JSON, telephone numbers masked if `masks_for` says so."""
        mask, names = self.masks_for(role), self.queries.reader.names()
        return apart(lambda: [session_schemas.dump(one, mask_numbers=mask, names=names) for one in sessions])

    def _sessions(self, calls: Sequence[Call], name: str, settings: UserSettings) -> list[Session]:
        """The sessions of *name* in *calls*, in their order."""
        now, linked = datetime.now(UTC), self.linked(calls)

        def read() -> list[Session]:
            found = (session_in(call, name, linked, now=now, auto_answer=settings.auto_answer) for call in calls)
            return [session for session in found if session is not None]

        sessions = apart(read)
        remarks = self.store.remarks(name, [session.id for session in sessions])
        others = list(dict.fromkeys(session.other_user for session in sessions if session.other_user))
        known = zip(others, self.store.profiles(others), strict=True)
        names = {other: (profile.settings or DEFAULTS).display_name for other, profile in known}
        sessions = [
            replace(session, remarks=said, other_name=names.get(session.other_user or ""))
            for session, said in zip(sessions, remarks, strict=True)
        ]
        by_id = {session.id: session for session in sessions}
        return [replace(session, parent=by_id.get(session.controls.parent or "")) for session in sessions]

    def linked(self, calls: Sequence[Call]) -> dict[str, Call]:
        """The calls that *calls* share a conference with, by id."""
        known = {call.id: call for call in calls}
        missing = [name for call in calls for name in call.everywhere if not known.keys() >= {*call.linked}]
        return known | {call.id: call for call in self.queries.calls_of(missing)} if missing else known


def _is_moved(call: Call) -> bool:
    """Whether a leg of *call* was moved by us, as for a consultation."""
    return any(isinstance(kept.event, Action) and kept.event.verb == "move" for kept in call.events.values())


def user_json(name: str, settings: UserSettings, registration: Registration) -> dict[str, Any]:
    """A user as JSON, numbers in the name whole."""
    return {
        "name": name,
        **asdict(settings),
        "registered": registration.registered,
        "registration_expires_at": timestamp(registration.expires),
        "registration_attempts": registration.attempts,
    }
