"""Transfers and conferences as the streams of users have them."""

from __future__ import annotations

from app.api import conferences, transfers
from app.calls.session_events import Operation, SessionEvents
from app.control.conferences import KIND as CONFERENCE
from app.control.conferences import Running as RunningConference
from app.control.errors import UnknownOperation
from app.control.transfers import KIND as TRANSFER
from app.control.transfers import Running as RunningTransfer
from app.domain.conferences import events_between as of_conference
from app.domain.transfers import events_between as of_transfer
from app.services import Services


def session_events(parts: Services) -> SessionEvents:
    """What users are sent of their sessions, and of their transfers and conferences."""
    return SessionEvents(parts.sessions, parts.store, RunningOperations(parts))


class RunningOperations:
    """Those of *parts*; needs no request."""

    def __init__(self, parts: Services) -> None:
        self._transfers, self._conferences = parts.transfers, parts.conferences

    def open(self) -> list[Operation]:
        """Those that have not ended. Raises StoreUnavailable."""
        return [*map(_transfer, self._transfers.list()), *map(_conference, self._conferences.list())]

    def find(self, key: str) -> Operation | None:
        """The one with this key; None if it is stored no more. Raises StoreUnavailable."""
        kind, _, id_ = key.partition(" ")
        try:
            return _transfer(self._transfers.get(id_)) if kind == TRANSFER else _conference(self._conferences.get(id_))
        except UnknownOperation:
            return None


def _transfer(running: RunningTransfer) -> Operation:
    transfer, order = running.transfer, running.transfer.order
    legs = frozenset(filter(None, (order.initiator, order.transferred, transfer.recipient)))
    events, ended = of_transfer(None, transfer), transfer.status == "ended"
    key = f"{TRANSFER} {running.id}"
    return Operation(key, TRANSFER, legs, events, transfers.as_json(running), ended)


def _conference(running: RunningConference) -> Operation:
    conference = running.conference
    legs = frozenset({conference.host, conference.order.host, *conference.members})
    events, ended = of_conference(None, conference), conference.finished
    key = f"{CONFERENCE} {running.id}"
    return Operation(key, CONFERENCE, legs, events, conferences.as_json(running), ended)
