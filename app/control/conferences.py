"""Conferences: calls of one host become one; each participant can be removed, by hanging up or back to a call alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from app.control.control import HOLD_MUSIC, Control, KnownLeg, conversation_of
from app.control.errors import CannotMeet, UnknownLeg, UnknownOperation, WrongState
from app.control.machines import legs_of
from app.control.operations import Operations, new_id
from app.domain import conferences
from app.domain.conferences import Conference, Fault, Present
from app.domain.operations import Entry
from app.domain.rooms import room_of

KIND: Final = "conference"


class Running(NamedTuple):
    """A conference, its id, and its log."""

    id: str
    conference: Conference
    log: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Conferences:
    """Conferences of live calls. Raises ControlError for what cannot be done, StoreUnavailable for what is not kept."""

    control: Control
    operations: Operations

    def begin(self, wanted: Mapping[str, Any], *, by: str, id_: str | None = None) -> Running:
        """Begin a conference of the legs `host_call_id` and `participant_call_ids`; `host_leaves` end or hand_over.

        Everything is checked before anybody is moved.
        """
        host, participants = wanted["host_call_id"], list(wanted["participant_call_ids"])
        known, present = self._present([host, *participants])
        self._check(conferences.first_fault(host, participants, present))
        if spent := self.control.bring_into_room(known[host], by=by):
            known, present = self._present([host, *participants])
        elif room_of(known[host].moments) is None and self.control.is_pair(known[host].leg):
            raise WrongState("The host is of a pair that a connect joined (connect_pair): it has to be a room.")
        id_, party = id_ or new_id(), conferences.party_of(host, participants, present)
        both = [host, *party.participants]
        order = conferences.Order(
            host=host,
            participants=party.participants,
            room=f"{conferences.ROOM}{id_}",
            music_url=self.control.hold_music or f"{self.control.base_url}{HOLD_MUSIC}",
            host_leaves=wanted.get("host_leaves", "end"),
            discard=party.discard,
            homes={leg: room.name for leg in party.participants if (room := room_of(known[leg].moments))},
            muted=[leg for leg in both if known[leg].leg.control.muted],
            earmuffed=[leg for leg in both if known[leg].leg.control.earmuffed],
        )
        log = self.operations.begin(
            id_,
            KIND,
            order._asdict(),
            [*both, *order.discard],
            by=by,
            conversation=conversation_of(known[host].leg, known[host].moments),
            spent=spent,
        )
        return self._running(id_, log)

    def add(self, id_: str, leg: str, *, by: str) -> Running:
        """Bring another leg in."""
        running = self.get(id_)
        known, present = self._present([leg])
        members = running.conference.members
        fault = conferences.fault_of_participant(leg, present, members if leg in members else None)
        if fault is None and not conferences.allows(running.conference, "add", leg):
            fault = Fault("participant-already-in-conference", leg)
        self._check(fault)
        peer = next(iter(present.talking_to[leg]), None)
        room = room_of(known[leg].moments)
        discard = None if peer in members else peer
        self.operations.take([leg, discard] if discard else [leg], id_)
        control = known[leg].leg.control
        data: dict[str, Any] = {"discard": discard, "home": room.name if room else None}
        data |= {"muted": control.muted, "earmuffed": control.earmuffed}
        return self._want(id_, "add", by=by, leg=leg, **{name: value for name, value in data.items() if value})

    def remove(self, id_: str, leg: str, *, mode: str, by: str) -> Running:
        """Take a participant out: `mode` hangup, or detach: back to a room alone with the host, on hold."""
        running = self.get(id_)
        if leg == running.conference.host:
            raise WrongState("It is the host: hang it up, or end the conference.")
        if leg not in running.conference.participants:
            raise CannotMeet(Fault("participant-call-not-found", leg))
        if conferences.allows(running.conference, "remove", leg):
            return self._want(id_, "remove", by=by, leg=leg, mode=mode)
        return running

    def hold(self, id_: str, leg: str, *, by: str, resume: bool = False) -> Running:
        """Let one of them hear music while the others go on, or come back. Raises WrongState."""
        running, request = self.get(id_), "resume" if resume else "hold"
        if not conferences.allows(running.conference, request, leg):
            raise WrongState("The leg has not joined the conference, or is on hold already, or is not.")
        return self._want(id_, request, by=by, leg=leg)

    def end(self, id_: str, *, by: str) -> Running:
        """Hang up everybody."""
        running = self.get(id_)
        return self._want(id_, "end", by=by) if conferences.allows(running.conference, "end") else running

    def get(self, id_: str) -> Running:
        """The conference *id_*. Raises UnknownOperation."""
        log = self.operations.log_of(id_, KIND)
        if log is None:
            raise UnknownOperation("No such conference is stored.")
        return self._running(id_, log)

    def list(self) -> list[Running]:
        """Those that have not ended."""
        found = [self._running(id_, log) for id_, log in self.operations.open(KIND)]
        return [running for running in found if not running.conference.finished]

    def of(self, leg: str) -> Running | None:
        """The one that has not ended with *leg* in it, if any."""
        every = self.list()
        return next((each for each in every if any(member.leg == leg for member in each.conference.present)), None)

    def _want(self, id_: str, verb: str, *, by: str, **data: Any) -> Running:
        return self._running(id_, self.operations.want(id_, verb, by=by, **data))

    def _present(self, legs: Sequence[str]) -> tuple[dict[str, KnownLeg], Present]:
        """What is known of *legs*, of those they talk to, and of who is in a conference."""
        known: dict[str, KnownLeg] = {}
        talking_to = {}
        for uuid in legs:
            try:
                known[uuid] = self.control.live(uuid, or_ended=True)
            except UnknownLeg:
                continue
            talking_to[uuid] = frozenset(self.control.others(known[uuid], on_hold=True))
        for uuid in {peer for peers in talking_to.values() for peer in peers} - known.keys():
            known[uuid] = self.control.live(uuid, or_ended=True)
        taken = {member.leg for running in self.list() for member in running.conference.present}
        return known, Present({uuid: each.leg for uuid, each in known.items()}, talking_to, taken)

    def _check(self, fault: Fault | None) -> None:
        if fault is not None:
            raise CannotMeet(fault)

    def _running(self, id_: str, log: Sequence[Entry]) -> Running:
        return Running(id_, conferences.project(log, legs_of(self.control.store, log)), log)
