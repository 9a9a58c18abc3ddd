"""What the streams of users have beside webhooks: transfers, conferences, and what users and their pages change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from app.api import conferences, transfers
from app.calls.members import others_in
from app.calls.session_events import TRIES, Operation, SessionEvents
from app.control.conferences import KIND as CONFERENCE
from app.control.conferences import Running as RunningConference
from app.control.machines import legs_of
from app.control.transfers import KIND as TRANSFER
from app.control.transfers import Running as RunningTransfer
from app.domain.conferences import events_between as of_conference
from app.domain.conferences import project as project_conference
from app.domain.legs import Leg
from app.domain.news import OperationEvent
from app.domain.operations import Entry, Happened
from app.domain.sessions import Session
from app.domain.transfers import events_between as of_transfer
from app.domain.transfers import project as project_transfer
from app.services import Services, services
from app.store.errors import StoreUnavailable
from app.store.store import Store

CHANGING: Final = ("created", "request", "decision")  # entries of a log that may be events
NO_NEWS: Final = Operation(frozenset(), (), over=True)  # of other kinds: what they do is seen in the session


def session_events(parts: Services) -> SessionEvents:
    """What users are sent of their sessions, and of their transfers and conferences."""
    return SessionEvents(parts.sessions, parts.store, LoggedOperations(parts.store))


def note_change(name: str) -> None:
    """Append what was just changed of the user *name*: no log has it, so what is changed back would leave no trace.

    Where that fails, the next look finds the change, unless it was changed back.
    """
    events = session_events(services())
    with suppress(StoreUnavailable):
        for _ in range(TRIES):  # somebody else may append something at the same moment
            if not events.catch_up(name).more:
                return


def note_share(session: Session) -> None:
    """Append that the page of *session* shares its screen, or does so no more, to the events of the others in the call.

    Only if SCREEN_SHARE_EVENTS is all. Where that fails, they see the screen, or do not, all the same.
    """
    parts = services()
    if parts.settings.screen_share_events != "all":
        return
    name = "screen_share_started" if session.remarks.screensharing else "screen_share_ended"
    with suppress(StoreUnavailable):
        for other in others_in(parts.sessions, session):
            session_events(parts).append(other, Happened(name, {"by": session.user}))


class LoggedOperations:
    """Those of *store*; needs no request."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, id_: str) -> Operation | None:
        """The operation with this id; None if none is stored. Raises StoreUnavailable."""
        log = self._store.log_of(id_)
        if not log:
            return None
        if log[0].name not in READ:
            return NO_NEWS
        return READ[log[0].name](id_, log, legs_of(self._store, log))


def _transfer(id_: str, log: Sequence[Entry], legs: Mapping[str, Leg]) -> Operation:
    transfer, events, before = project_transfer(log, legs), list[OperationEvent](), None
    for entries in _beginnings(log):
        then = RunningTransfer(id_, project_transfer(entries, legs), entries)
        if new := of_transfer(before, then.transfer):
            shown: dict[str, Any] = {TRANSFER: transfers.as_json(then)}
            events += [OperationEvent(entries[-1].at, happened, shown) for happened in new]
        before = then.transfer
    parties = filter(None, (transfer.order.initiator, transfer.order.transferred, transfer.recipient))
    return Operation(frozenset(parties), events, transfer.status == "ended")


def _conference(id_: str, log: Sequence[Entry], legs: Mapping[str, Leg]) -> Operation:
    conference, events, before = project_conference(log, legs), list[OperationEvent](), None
    for entries in _beginnings(log):
        then = RunningConference(id_, project_conference(entries, legs), entries)
        if new := of_conference(before, then.conference):
            shown: dict[str, Any] = {CONFERENCE: conferences.as_json(then)}
            events += [OperationEvent(entries[-1].at, happened, shown) for happened in new]
        before = then.conference
    parties = frozenset({conference.host, conference.order.host, *conference.members})
    return Operation(parties, events, conference.finished)


def _beginnings(log: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """The log as it was after each entry that may be an event."""
    return (log[: number + 1] for number, entry in enumerate(log) if entry.kind in CHANGING)


READ: Final[Mapping[str, Callable[[str, Sequence[Entry], Mapping[str, Leg]], Operation]]] = {
    TRANSFER: _transfer,
    CONFERENCE: _conference,
}
