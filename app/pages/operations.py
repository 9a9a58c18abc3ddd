"""Transfers and conferences that have not ended, as pages show them.

A page needs their logs alone: what they decided is in there, and the legs themselves are shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from app.calls.names import Known
from app.control.conferences import KIND as CONFERENCE
from app.control.new_call import address_of
from app.control.transfers import KIND as TRANSFER
from app.domain import conferences, transfers
from app.domain.conferences import Conference, Member
from app.domain.numbers import masked
from app.domain.operations import Entry
from app.domain.transfers import Transfer

# In this order on pages: what is possible later comes behind what is already, so that no button moves under a mouse.
OF_TRANSFER: Final = ("complete", "cancel", "swap", "merge")
OF_MEMBER: Final = ("hold", "resume", "remove")
PENDING: Final = {"complete": "completing", "swap": "swapping", "merge": "merging"}
STATES: Final = {"starting": "preparing", "ringback": "ringing", "blind_transferred": "ringing"}


class Transferring(NamedTuple):
    """A transfer. `state` is one of states.py, `to` a number, a user or an address, `allowed` what it can be made do.

    `consults`: the initiator talks to the recipient first, and has not left yet.
    """

    id: str
    consults: bool
    state: str
    initiator: str
    transferred: str
    recipient: str | None
    to: str
    allowed: tuple[str, ...]

    @property
    def legs(self) -> tuple[str, ...]:
        """All that it decides about."""
        return tuple(filter(None, (self.initiator, self.transferred, self.recipient)))


class Joined(NamedTuple):
    """A member of a conference. `state`: joining, joined, held or leaving."""

    leg: str
    state: str
    hosts: bool
    allowed: tuple[str, ...]


class Meeting(NamedTuple):
    """A conference.

    `ends`: everybody is being hung up. `discarded`: legs that are hung up once it has begun; `detached`: those that can
    be added again.
    """

    id: str
    members: tuple[Joined, ...]
    ends: bool
    discarded: tuple[str, ...]
    detached: tuple[str, ...]

    @property
    def legs(self) -> tuple[str, ...]:
        """All that it decides about."""
        return (*(member.leg for member in self.members), *self.discarded)

    def member(self, leg: str) -> Joined | None:
        """The one with this leg."""
        return next((member for member in self.members if member.leg == leg), None)


Operation = Transferring | Meeting


def operations_in(logs: Mapping[str, Sequence[Entry]]) -> list[Operation]:
    """Those of *logs* that have not ended, the oldest first."""
    found = [operation for id_, log in logs.items() if (operation := _read(id_, log))]
    return sorted(found, key=lambda operation: (logs[operation.id][0].at, operation.id))


def by_leg(operations: Iterable[Operation]) -> dict[str, tuple[Operation, ...]]:
    """The operations of each leg."""
    found: dict[str, tuple[Operation, ...]] = {}
    for operation in operations:
        for leg in operation.legs:
            found[leg] = (*found.get(leg, ()), operation)
    return found


def transfer_json(transfer: Transferring, mask: bool, names: Known) -> dict[str, Any]:
    """What templates/operations.html shows of a transfer. Those to whom numbers are masked do not act."""
    whom = {"to": transfer.to, "to_name": names.of(transfer.to)}
    known = {"id": transfer.id, "consults": transfer.consults, "state": transfer.state}
    if mask:
        return {"kind": "transfer", **known, **masked(whom), "allowed": ()}
    return {"kind": "transfer", **known, **whom, "allowed": transfer.allowed}


def _read(id_: str, log: Sequence[Entry]) -> Operation | None:
    if log[0].name == TRANSFER:
        transfer = transfers.project(log, {})
        return None if transfer.status == "ended" else _transferring(id_, transfer)
    if log[0].name == CONFERENCE:
        conference = conferences.project(log, {})
        return None if conference.finished else _meeting(id_, conference)
    return None


def _transferring(id_: str, transfer: Transfer) -> Transferring:
    order = transfer.order
    return Transferring(
        id_,
        consults=not transfer.blind and transfer.status not in ("completed", "cancelled", "abandoned"),
        state=_state(transfer),
        initiator=order.initiator,
        transferred=order.transferred,
        recipient=transfer.recipient,
        to=address_of(order.to),
        allowed=tuple(request for request in OF_TRANSFER if transfers.allows(transfer, request)),
    )


def _state(transfer: Transfer) -> str:
    if transfer.cancelling and transfer.status in transfers.REQUESTS["cancel"]:
        return "cancelling"
    if transfer.pending:
        return PENDING[transfer.pending]
    if transfer.status == "answered" and transfer.swapped:
        return "swapped"
    return STATES.get(transfer.status, transfer.status)


def _meeting(id_: str, conference: Conference) -> Meeting:
    members = tuple(_joined(conference, member) for member in conference.present)
    return Meeting(
        id_,
        members,
        ends=conference.ending is not None,
        discarded=tuple(conference.discard),
        detached=tuple(leg for leg in conference.detached if leg != conference.host),
    )


def _joined(conference: Conference, member: Member) -> Joined:
    state = "leaving" if conference.ending else "held" if member.held else member.status
    allowed = tuple(request for request in OF_MEMBER if conferences.allows(conference, request, member.leg))
    return Joined(member.leg, state, member.leg == conference.host, allowed)
