"""Finds the sessions of the other users in a user's call: each has one of its own."""

from __future__ import annotations

from app.calls.sessions import SessionQueries
from app.domain.calls import Call
from app.domain.members import members_of
from app.domain.sessions import Session


def others_in(queries: SessionQueries, session: Session) -> list[Session]:
    """The live sessions of the other users who are in the call of *session* now, on hold or not, one for each.

    Either may see the other in the call: who consults somebody has left a room in which the other one waits. Of a
    session that has ended: of those who were there at last. Raises StoreUnavailable.
    """
    own = _live(queries, session.user)
    circle = _circle(queries, session)
    seen = _members(session, circle, own)
    found = []
    for user in sorted({leg.user for call in circle for leg in call.legs if leg.user} - {session.user}):
        sessions = _live(queries, user)
        for other in sorted(sessions, key=lambda each: each.controls.parent is not None):
            if _is_elsewhere(session, other, own):
                continue
            if other.leg in seen or session.leg in _members(other, _circle(queries, other), sessions):
                found.append(other)
                break
    return found


def _is_elsewhere(session: Session, other: Session, own: list[Session]) -> bool:
    """Whether the user's one leg meets *other* in another one of the user's *own* sessions, as in a consultation."""
    if session.controls.parent is not None:
        return other.id != session.id
    return any(each.id == other.id for each in own if each.controls.parent == session.id)


def _live(queries: SessionQueries, user: str) -> list[Session]:
    return queries.phone(user, queries.user(user)).sessions


def _circle(queries: SessionQueries, session: Session) -> list[Call]:
    """The call of *session*, the one that it is a consultation of, and those that share a conference with either."""
    parent = queries.queries.call(session.controls.parent) if session.controls.parent else None
    return list(queries.linked([session.call, *([parent] if parent else [])]).values())


def _members(session: Session, circle: list[Call], sessions: list[Session]) -> dict[str, str]:
    consultations = [each for each in sessions if each.controls.parent == session.id]
    return members_of(session, consultations, circle)
