"""The calls of a user, event by event: how a session was after each event that was kept.

The list of a conversation only grows, so how many of its events were looked at is a position in it that stays right,
in each worker. Events of several conversations are taken in the order in which they were received; what
came late, behind others of its conversation, does not come before them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Final, NamedTuple

from app.domain.calls import Call, read_calls
from app.domain.conversations import History, Kept
from app.domain.ringing import limits_of
from app.domain.sessions import Session
from app.domain.user_sessions import session_in

NEXT: Final = timedelta(microseconds=1)  # what is longer than a limit

Positions = Mapping[str, int]  # by conversation: how many of its events


class Added(NamedTuple):
    """An event of a conversation. `at`: when it was received, or a later one that was kept before it."""

    at: datetime
    conversation: str
    kept: Kept


def _order(added: Added) -> tuple[datetime, int, str]:
    """A transfer is in two conversations: it is kept in the one that the leg left first."""
    return added.at, added.kept.event.conversations.index(added.conversation), added.conversation


class SessionLog:
    """Conversations of a user's calls, each in the order in which its events were kept."""

    def __init__(
        self,
        conversations: Mapping[str, History],
        calls: Mapping[str, Call],
        known: Container[str],
        presume_ended_after: timedelta,
    ) -> None:
        """*calls* are those of *conversations* by now, by id; *known*: legs of which more is known than these say."""
        self._lists, self._calls_by_now, self._known = conversations, calls, known
        self._presume_ended_after = presume_ended_after
        self._projected: dict[tuple[datetime, frozenset[tuple[str, int]]], Mapping[str, Call]] = {}
        self.work = 0  # events that were projected: what it has cost so far

    def lengths(self, session: Session) -> dict[str, int]:
        """The position after all events that may have to do with *session*: also those of whom it meets."""
        names = sorted({name for call in self._calls_of(session) for name in call.everywhere})
        return {name: len(self._lists[name]) for name in names if name in self._lists}

    def knows_more(self, session: Session) -> bool:
        """Whether more is known of legs in *session* than what the events say."""
        return any(leg.leg.uuid in self._known for call in self._calls_of(session) for leg in call.legs)

    def _calls_of(self, session: Session) -> list[Call]:
        others = [*session.call.linked, *([session.controls.parent] if session.controls.parent else [])]
        return [session.call, *(self._calls_by_now[id_] for id_ in others if id_ in self._calls_by_now)]

    def _first(self, name: str, length: int) -> History:
        return dict(islice(self._lists[name].items(), length))

    def added(self, after: Positions, until: Positions) -> Iterator[Added]:
        """The events between two positions, in the order in which they are looked at."""
        return merge(*(self._added(name, after.get(name, 0), end) for name, end in until.items()), key=_order)

    def _added(self, name: str, begin: int, end: int) -> Iterator[Added]:
        at: datetime | None = None
        for number, kept in enumerate(islice(self._lists[name].values(), end)):
            at = max(at, kept.received) if at else kept.received
            if number >= begin:
                yield Added(at, name, kept)

    def session(self, as_now: Session, position: Positions, now: datetime) -> Session | None:
        """The session that is *as_now* by now, as it was at *position* and the time *now*; None: there was none yet.

        What the user says of it is not in the log: that is as it is by now.
        """
        calls = self._calls(position, now)
        if (call := calls.get(as_now.id)) is None:
            return None
        found = session_in(call, as_now.user, calls, now=now, auto_answer=as_now.auto_answer, remarks=as_now.remarks)
        if found is None:
            return None
        name = as_now.other_name if found.other_user == as_now.other_user else None
        return replace(found, other_name=name, parent=as_now.parent if found.controls.parent else None)

    def _calls(self, position: Positions, now: datetime) -> Mapping[str, Call]:
        """All calls as they were; kept, for two sessions of the user may be in the same ones."""
        key = (now, frozenset(position.items()))
        if key not in self._projected:
            lists = {name: self._first(name, length) for name, length in position.items() if length}
            self.work += sum(position.values())
            self._projected[key] = read_calls(lists, now=now, presume_ended_after=self._presume_ended_after).calls
        return self._projected[key]

    def reached(self, position: Positions) -> datetime:
        """When the latest event up to *position* was received."""
        return max(kept.received for name, length in position.items() for kept in self._first(name, length).values())

    def limits(self, session: Session, position: Positions, since: datetime, until: datetime) -> list[datetime]:
        """When time alone may have changed *session*, which is at *position*, after *since* and before *until*.

        Nobody says that it rings no more, or that a call is presumed to have ended.
        """
        found = {at for call in self._calls_of(session) for at in limits_of(call)}
        found |= {self.reached({name: length}) + self._presume_ended_after + NEXT for name, length in position.items()}
        return sorted(at for at in found if since < at < until)
