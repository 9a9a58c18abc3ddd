"""What a user was not sent yet: of sessions, of transfers and conferences, and of the user as such; in one order.

It is the same, in the same order, at each look and from each worker: all of it is made of logs that only grow, from
where the marks say that the one before has ended. What the user chose or a page reported is known as it is by now
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from operator import attrgetter
from typing import Any, Final, NamedTuple

from app.domain.actions import Action
from app.domain.operations import Happened
from app.domain.session_events import NOTHING_SENT, STATE, Mark, at_mark, open_in, state_events, state_mark, steps_of
from app.domain.session_log import SessionLog
from app.domain.sessions import Session, current_of
from app.domain.users import Chosen, Registration, UserSettings

OVER: Final = "over"  # in the mark of an operation: nothing more will happen to it


class Marked(NamedTuple):
    """A session, and what was sent of it."""

    session: Session
    mark: Mark


class OperationEvent(NamedTuple):
    """What happened `at` a time to a transfer or conference; `shown`: what it was then, as JSON, numbers whole."""

    at: datetime
    happened: Happened
    shown: Mapping[str, Any]


class Followed(NamedTuple):
    """An operation, what was sent of it, and all that has happened to it; `session` is the id of one that it is in.

    `over`: nothing more will happen; without events it is none that users get events of.
    """

    id: str
    mark: Mark
    events: Sequence[OperationEvent]
    over: bool
    session: str


class UserState(NamedTuple):
    """What is known of the user as such, and what was sent of that."""

    mark: Mark
    settings: UserSettings
    registration: Registration
    chosen: Chosen | None


class News(NamedTuple):
    """An event that is to be sent: what happened, `at` which time, and the session as it was then.

    `shown`: what it says of an operation. `of_user`: it is about the user as such.
    """

    at: datetime
    happened: Happened
    session: Session | None
    shown: Mapping[str, Any] = {}
    of_user: bool = False


@dataclass(slots=True)
class Found:
    """Events in their order, and the marks that change with them, by session or operation.

    `more`: there is more, to be found by a look that begins at these marks.
    """

    news: list[News] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    more: bool = False


class _Moment(NamedTuple):
    """What happened `at` a time: the mark after it of `key`, a session or operation; and the session then."""

    at: datetime
    key: str
    mark: Mark
    events: Sequence[Happened]
    of: str
    session: Session | None
    shown: Mapping[str, Any]


def find_news(
    user: UserState, marked: Sequence[Marked], followed: Sequence[Followed], log: SessionLog, now: datetime, most: int
) -> Found:
    """What is to be sent now; so much of it that about *most* events are projected for it."""
    found, by_now = Found(), {session.id: session for session, _ in marked}
    then = {session.id: at_mark(session, mark, log) for session, mark in marked}  # the sessions as they were
    marks = {session.id: mark for session, mark in marked} | {each.id: each.mark for each in followed}
    state = user.mark if user.mark != NOTHING_SENT else state_mark(user.settings, user.registration, None)
    of_sessions = [_of_session(session, mark, log, now) for session, mark in marked]
    for moment in merge(*of_sessions, *map(_of_operation, followed), key=attrgetter("at")):
        if log.work > most and found.marks:
            found.more = True
            break
        if moment.mark != marks[moment.key]:
            marks[moment.key] = found.marks[moment.key] = moment.mark
        if moment.key == moment.of:
            then[moment.of] = moment.session
        session = then.get(moment.of) or by_now.get(moment.of)
        found.news += [News(moment.at, happened, session, moment.shown) for happened in moment.events]
        state = _with_current(found, user, state, then.values(), moment.at)
    for each in followed:
        if each.over and not each.events:
            found.marks[each.id] = Mark(sent=(OVER,))
    if not found.more:
        current = current_of([session for session in by_now.values() if session.live], user.chosen)
        after = state_mark(user.settings, user.registration, current)
        found.news += [News(now, Happened(name), current, of_user=True) for name in state_events(state, after)]
        state = after
    state = state._replace(read=open_in(marks[session.id] for session, _ in marked))
    if state != user.mark:
        found.marks[STATE] = state
    return found


def operations_in(session: Session) -> Iterator[str]:
    """The operations of several steps, transfers and conferences, that did something in the call of *session*."""
    actions = [kept.event for kept in session.call.events.values() if isinstance(kept.event, Action)]
    alone = {action.action for action in actions}  # a single action is an operation, too, with the action's id
    found = dict.fromkeys(action.operation for action in actions)
    yield from (operation for operation in found if operation and operation not in alone)


def _of_session(session: Session, mark: Mark, log: SessionLog, now: datetime) -> Iterator[_Moment]:
    for step in steps_of(session, mark, log, now):
        yield _Moment(step.at, session.id, step.mark, step.events, session.id, step.session, {})


def _of_operation(followed: Followed) -> Iterator[_Moment]:
    """Its mark is how many events were sent."""
    known, mark = len(followed.events), followed.mark
    for count in range(int(mark.shown[0]) if mark.shown else 0, known):
        at, happened, shown = followed.events[count]
        over = (OVER,) if followed.over and count + 1 == known else ()
        mark = Mark(sent=over, shown=(str(count + 1),))
        yield _Moment(at, followed.id, mark, [happened], followed.session, None, shown)


def _with_current(
    found: Found, user: UserState, before: Mark, sessions: Iterable[Session | None], at: datetime
) -> Mark:
    """The mark of the user after *before*, as another of *sessions*, as they were *at* a time, is the current one."""
    chosen = user.chosen
    if chosen and chosen.at > at and chosen.session not in user.mark.shown[2:]:  # clocks differ: what was sent is known
        chosen = None
    current = current_of([session for session in sessions if session and session.live], chosen)
    after = Mark(shown=(*before.shown[:2], current.id if current else ""))
    found.news += [News(at, Happened(name), current, of_user=True) for name in state_events(before, after)]
    return after
