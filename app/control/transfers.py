"""Transfers: somebody who talks to one comes to talk to another, by a consultation or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from app.control.control import HOLD_MUSIC, Control, conversation_of
from app.control.errors import UnknownOperation, WrongState
from app.control.machines import legs_of
from app.control.new_call import endpoint_of
from app.control.operations import Operations, new_id
from app.domain import transfers
from app.domain.operations import Entry
from app.domain.rooms import room_of
from app.domain.transfers import Transfer

KIND: Final = "transfer"
RINGBACK: Final = "/static/sound/ringback.wav"
NOT_REACHED: Final = "Sorry, the person you were to be put through to cannot be reached. Please call again later."


class Running(NamedTuple):
    """A transfer, its id, and its log."""

    id: str
    transfer: Transfer
    log: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Transfers:
    """Transfers of live calls. Raises ControlError for what cannot be done, StoreUnavailable for what is not kept."""

    control: Control
    operations: Operations

    def begin(self, wanted: Mapping[str, Any], *, by: str, id_: str | None = None) -> Running:
        """Begin a transfer: `initiator_call`, `to` (an endpoint); maybe `flow`, `transferred_call`, `timeout`.

        And `fallback`, what the transferred leg runs if a blind transfer fails: `ncco`, or `flow` and `step`; without
        it the leg comes back to the initiator.
        """
        control = self.control
        initiator = control.live(wanted["initiator_call"])
        flow, spent = wanted.get("flow", "attended"), 0.0
        if flow == "attended" and (spent := control.bring_into_room(initiator, by=by)):
            initiator = control.live(wanted["initiator_call"])
        others = control.others(initiator, on_hold=True)
        named = wanted.get("transferred_call")
        if named is None and len(others) != 1:
            raise WrongState(
                "The initiator talks to nobody."
                if not others
                else f"The initiator talks to {len(others)} legs: say in transferred_call which one is meant."
            )
        if named is not None and named not in others:
            raise WrongState("The legs initiator_call and transferred_call do not talk to each other.")
        transferred = control.live(named or others[0])
        room = room_of(transferred.moments) or room_of(initiator.moments)
        if room is None and flow == "attended":
            raise WrongState(
                "The legs are a pair that a connect joined (connect_pair): only a blind transfer works there."
            )
        fallback = wanted.get("fallback") or {}
        script = (
            control.script(fallback.get("ncco"), fallback.get("flow"), fallback.get("step"), transferred.leg)
            if fallback
            else [{"action": "talk", "text": NOT_REACHED}]
        )
        id_ = id_ or new_id()
        both = (initiator.leg, transferred.leg)
        order = transfers.Order(
            initiator=initiator.leg.uuid,
            transferred=transferred.leg.uuid,
            to=endpoint_of(wanted["to"], control.base_url),
            from_=control.caller,
            home_room=room.name if room else "",
            consult_room=f"consult-{id_}",
            music_url=control.hold_music or f"{control.base_url}{HOLD_MUSIC}",
            ringback_url=f"{control.base_url}{RINGBACK}",
            fallback_ncco=script,
            fallback="sentence" if fallback or room is None else "room",
            flow=flow,
            form="room" if room else "pair",
            ring_seconds=wanted.get("timeout", 30),
            event_url=f"{control.base_url}/voice/transfers/{id_}",
            muted=tuple(leg.uuid for leg in both if leg.control.muted),
            earmuffed=tuple(leg.uuid for leg in both if leg.control.earmuffed),
        )
        log = self.operations.begin(
            id_,
            KIND,
            order._asdict(),
            [order.initiator, order.transferred],
            by=by,
            conversation=conversation_of(initiator.leg, initiator.moments),
            spent=spent,
        )
        return self._running(id_, log)

    def want(self, id_: str, request: str, *, by: str) -> Running:
        """Complete, cancel, swap or merge it."""
        running = self.get(id_)
        if not transfers.allows(running.transfer, request):
            raise WrongState(f"A transfer that is {running.transfer.status} cannot be changed so: {request}.")
        return self._running(id_, self.operations.want(id_, request, by=by))

    def get(self, id_: str) -> Running:
        """The transfer *id_*. Raises UnknownOperation."""
        log = self.operations.log_of(id_, KIND)
        if log is None:
            raise UnknownOperation("No such transfer is stored.")
        return self._running(id_, log)

    def order(self, id_: str) -> transfers.Order | None:
        """What the transfer *id_* is to do; None if there is none."""
        log = self.operations.log_of(id_, KIND)
        return transfers.project(log, {}).order if log else None

    def list(self) -> list[Running]:
        """Those that have not ended."""
        found = [self._running(id_, log) for id_, log in self.operations.open(KIND)]
        return [running for running in found if running.transfer.status != "ended"]

    def _running(self, id_: str, log: Sequence[Entry]) -> Running:
        return Running(id_, transfers.project(log, legs_of(self.control.store, log)), log)
