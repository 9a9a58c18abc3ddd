"""Acting on calls: each verb is checked, kept as an operation, and then sent by the driver."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from app.control.driver import Driver
from app.control.errors import (
    BadNcco,
    InOperation,
    LegEnded,
    MovePending,
    NotConfigured,
    UnknownConversation,
    UnknownLeg,
    WrongState,
)
from app.control.kept_events import ACTION, events_of
from app.control.new_call import address_of, new_call
from app.control.operations import Operations, is_kept, new_id
from app.control.pair_rooms import PairRooms
from app.control.sending import RATES
from app.control.vonage_client import VonageClient
from app.domain.actions import MOVES, Action
from app.domain.conversations import Conversation, History, moments, project
from app.domain.leg_control import Done, done_to, held_from
from app.domain.legs import Leg, Moment, project_leg
from app.domain.marks import CALLS, called_users
from app.domain.operations import Entry
from app.domain.rooms import is_connected, room_of
from app.flows.flows import Flows
from app.flows.model import RenderFault
from app.flows.rendering import Ncco, checked
from app.flows.request import Request
from app.flows.user_calls import USER_CALL, UserCall
from app.store.errors import StoreUnavailable
from app.store.reader import not_waiting
from app.store.store import Store

YOUNG_SECONDS: Final = 5.0  # Vonage refuses actions in the first two of a leg; webhooks take a moment, too
REPLY_SECONDS: Final = 4.8  # how long a request for an action waits for it
AGAIN_SECONDS: Final = 0.2  # how often it is looked at whether the action was sent
FIRST_CHECK_SECONDS: Final = 12.0  # when others look at an operation that its own worker is to begin
HOLD_MUSIC: Final = "/static/sound/hold.wav"  # app/pages/static
NOTED: Final = {"mute": "muted", "unmute": "unmuted", "earmuff": "earmuffed", "unearmuff": "unearmuffed"}
STARTS: Final = ("start", "resume")  # a recording; Vonage has no pause


class KnownLeg(NamedTuple):
    """A leg, its events, and what was done to it."""

    leg: Leg
    moments: list[Moment]
    history: History


class Requested(NamedTuple):
    """An action, by its id, and what has become of it. `leg` is the new one's once a call was created."""

    id: str
    done: Done


@dataclass(frozen=True, slots=True)
class Control:
    """What can be done to calls. All that reads or keeps raises StoreUnavailable: what is not kept is not done."""

    store: Store
    flows: Flows
    client: VonageClient
    driver: Driver
    operations: Operations
    base_url: str
    pair_rooms: PairRooms | None = None  # None: a pair stays one
    hold_music: str | None = None
    caller_number: str | None = None

    # -- verbs ----------------------------------------------------------------------------------------------------

    def on_leg(
        self, uuid: str, verb: str, arguments: Mapping[str, Any], *, by: str, id_: str | None = None
    ) -> Requested:
        """Do *verb*, one that Vonage's API has, to the leg *uuid*. Raises ControlError."""
        known = self.live(uuid, or_ended=verb == "hangup")
        if known.leg.state == "completed":  # it is over: that is what was wanted
            return _over_already(known.leg, by)
        requested = self._request(known, verb, dict(arguments), by=by, id_=id_)
        if requested.done.took_effect and verb in NOTED and (operation := self.operations.holder_of(uuid)):
            # What moves the leg next has to do it again: a leg that enters a room anew has lost it.
            self.operations.want(operation, NOTED[verb], by=by, leg=uuid)
        return requested

    def transfer(
        self,
        uuid: str,
        *,
        by: str,
        ncco: Sequence[Mapping[str, Any]] | None = None,
        flow: str | None = None,
        step: str | None = None,
        id_: str | None = None,
    ) -> Requested:
        """Let the leg run *ncco*, or the *step* of *flow*, from now on, by itself. Raises ControlError."""
        known = self.live(uuid)
        script = self.script(ncco, flow, step, known.leg)
        url = self._address_of(flow, step, script, known.leg)
        return self._request(known, "transfer", {"url": url} if url else {"ncco": script}, by=by, id_=id_)

    def hold(self, uuid: str, *, by: str, id_: str | None = None) -> Requested:
        """Take the leg out of its room, to music; in a pair it is muted and hears nothing. Raises ControlError."""
        known = self.live(uuid)
        control = known.leg.control
        if control.hold is not None and not (control.hold == "holding" and control.pending is None):
            raise WrongState("The leg is on hold already.")
        spent = self.bring_into_room(known, by=by)
        if spent:
            known = self.live(uuid)
        control, room = known.leg.control, room_of(known.moments)
        here, others = self.company(known)
        if room is None:
            if not others and not self.is_pair(known.leg):
                raise WrongState("The leg is in no room and has no other side: there is nothing to come back to.")
            shown = {"weak": True}
            steps = ("earmuff",) if control.muted else ("mute", "earmuff")
            return self._request(known, "hold", shown, by=by, id_=id_, steps=steps)
        music = self.hold_music or f"{self.base_url}{HOLD_MUSIC}"
        back = room.entered_again(muted=control.muted)
        # If the music cannot be played, Vonage goes on to the next action: back to the room, not to the call's end.
        script = [{"action": "stream", "streamUrl": [music], "loop": 0}, back]
        noted = {"room": room.name}
        return self._request(
            known, "hold", {"ncco": script}, shown=noted, by=by, id_=id_, here=here, others=others, spent=spent
        )

    def bring_into_room(self, known: KnownLeg, *, by: str) -> float:
        """Bring the pair that the leg is of into a room, if that is to be tried; how many seconds that took.

        0: nothing was done. Raises WrongState, MovePending, InOperation.
        """
        if self.pair_rooms is None or room_of(known.moments) is not None or not self.is_pair(known.leg):
            return 0.0
        others = self.others(known)
        if len(others) != 1 or known.leg.state != "answered":
            return 0.0
        here = conversation_of(known.leg, known.moments)
        return self.pair_rooms.bring([known.leg, self.live(others[0]).leg], by=by, conversation=here)

    def resume(self, uuid: str, *, by: str, id_: str | None = None) -> Requested:
        """Bring the leg back from hold, as muted as it was. Raises ControlError."""
        known = self.live(uuid)
        control = known.leg.control
        if control.hold not in ("held", "weak", "holding"):
            raise WrongState("The leg is not on hold.")
        if control.hold == "weak":
            steps = ("unearmuff",) if control.muted else ("unmute", "unearmuff")
            return self._request(known, "resume", {"weak": True}, by=by, id_=id_, steps=steps)
        room = room_of(known.moments)
        if room is None:
            raise WrongState("It is not known which room the leg was in.")
        shown = {"room": room.name, "muted": control.muted}
        script = [room.entered_again(muted=control.muted)]
        return self._request(known, "resume", {"ncco": script}, shown=shown, by=by, id_=id_)

    def record(self, conversation: str, what: str, *, by: str, id_: str | None = None) -> Requested:
        """Start, pause, resume or stop the recording of *conversation*. Raises ControlError."""
        self._needs_credentials()
        found = self._conversation(conversation)
        state = found.record_state
        wrong = {
            "start": state == "paused" and "It is paused: resume it.",
            "pause": state == "inactive" and "It is not being recorded.",
            "resume": state == "inactive" and "It is not being recorded.",
            "stop": False,
        }[what]
        if wrong:
            raise WrongState(wrong)
        arguments = {"event_url": [f"{self.base_url}/voice/event"], "event_method": "POST"} if what in STARTS else {}
        created: dict[str, Any] = {"verb": f"record_{what}", "leg": None, "conversation": conversation, "by": by}
        arrivals = (member.presence.arrival for member in found.legs if member.presence.here)
        created |= {"after": max((move.place.order for move in arrivals if move), default=0)}
        created |= {"arguments": arguments, "sequence": self.store.number(conversation).sequence}
        return self._begin(id_ or new_id(), created)

    def listen(self, uuid: str, *, by: str, id_: str | None = None) -> Requested:
        """Get each key that the leg presses as an event of its own. Raises ControlError."""
        return self.on_leg(uuid, "listen", {"url": f"{self.base_url}/voice/event"}, by=by, id_=id_)

    def place(self, wanted: Mapping[str, Any], *, by: str, id_: str | None = None) -> Requested:
        """Place a call: `to` an endpoint as in a `connect`, `from_`, `ncco` or `flow` with its `step`, `region`, and
        what else Vonage's API takes by the same names. Raises ControlError.
        """
        self._needs_credentials()
        if (region := wanted.get("region")) is not None and region not in self.client.hosts:
            raise BadNcco(f"region: it must be one of VONAGE_API_HOSTS, {', '.join(self.client.hosts)}.")
        flow, step = wanted.get("flow"), wanted.get("step")
        script = self.script(wanted.get("ncco"), flow, step, None)
        return self._place(wanted, script, self._address_of(flow, step, script, None), by=by, id_=id_)

    def place_for(self, user: str, endpoint: Mapping[str, Any], *, by: str, id_: str) -> Requested:
        """Place a call of *user* to *endpoint*: the user's own leg is called first. Raises ControlError.

        *id_*: of the action, and what the call has a place of the user by until its leg is known.
        """
        self._needs_credentials()
        connect: dict[str, Any] = {"action": "connect", "endpoint": [dict(endpoint)]}
        connect |= {"from": self.caller_number} if self.caller_number else {"randomFromNumber": True}
        try:
            script = self.script([connect], None, None, None)
        except BadNcco as bad:
            raise BadNcco(str(bad).replace("[0].endpoint[0]", "number")) from bad
        # A leg that gets its script by itself can be led into a room; it is not known before.
        try:
            url = self.flows.user_call_url(UserCall(user, script[0], id_)) if self.flows.rooms_in(USER_CALL) else None
        except RenderFault as fault:  # an endpoint with more headers than an address can hold
            raise BadNcco(str(fault)) from fault
        to = {"to": {"type": "app", "user": user}}
        return self._place(to, script, url, calls=address_of(endpoint), by=by, id_=id_)

    def _place(
        self,
        wanted: Mapping[str, Any],
        script: Ncco,
        url: str | None,
        *,
        calls: str | None = None,
        by: str,
        id_: str | None,
    ) -> Requested:
        """*url*: where Vonage is to get *script*. *calls*: whom the user, who is called, calls by that."""
        body = new_call(wanted, script=script, url=url, base_url=self.base_url, caller_number=self.caller_number)
        created = {"verb": "create", "leg": None, "conversation": None, "by": by, "arguments": body}
        shown = {name: value for name, value in body.items() if name not in ("event_url", "event_method")}
        shown |= {CALLS: calls} if calls else {}
        return self._begin(id_ or new_id(), {**created, "shown": shown})

    def served(self, ncco: Sequence[Mapping[str, Any]]) -> None:
        """Count the call that Vonage places itself for a `connect`: it takes a turn of ours. Nobody waits for that."""
        if self.client.credentials is not None and any(action.get("action") == "connect" for action in ncco):
            self.store.took_turn("calls", RATES["calls"])

    # -- reading --------------------------------------------------------------------------------------------------

    def requested(self, id_: str) -> Requested | None:
        """The action *id_*; None if there is none."""
        entries = self.store.log_of(id_)
        return self._requested(id_, entries) if entries and entries[0].name == ACTION else None

    def script(
        self, ncco: Sequence[Mapping[str, Any]] | None, flow: str | None, step: str | None, leg: Leg | None
    ) -> list[dict[str, Any]]:
        """The NCCO that is meant, checked by the rules of this server. Raises BadNcco."""
        if ncco is not None:
            try:
                return checked([dict(action) for action in ncco], self.base_url)
            except RenderFault as fault:
                raise BadNcco(str(fault)) from fault
        start = self._start_of(flow or "")
        reply = self.flows.enter(flow or "", step or start, None, _request_of(leg) if leg else Request())
        if reply is None or reply.fault is not None:
            raise BadNcco(reply.fault if reply and reply.fault else f"Flow {flow} has nothing to play here.")
        return reply.ncco

    def _address_of(
        self, flow: str | None, step: str | None, script: Sequence[Mapping[str, Any]], leg: Leg | None
    ) -> str | None:
        """Where Vonage is to get *script* of a flow that calls a user; None if it is sent as it is.

        Once the leg itself asks for it, it can be led into a room, and the user be diverted.
        """
        if flow is None or not self.flows.rooms_in(flow) or not called_users(json.dumps(script)):
            return None
        return self.flows.address_of(flow, step or self._start_of(flow), _request_of(leg) if leg else None)

    def _start_of(self, flow: str) -> str:
        """The step in which *flow* begins."""
        known = self.flows.flow_file.flows.get(flow) if self.flows.flow_file else None
        if known is None:
            raise BadNcco(f"There is no flow {flow}.")
        return known.start or "start"

    def conversation_of(self, uuid: str) -> str:
        """Where the leg *uuid* is. Raises UnknownLeg, LegEnded."""
        known = self.live(uuid)
        return conversation_of(known.leg, known.moments) or ""

    @property
    def caller(self) -> dict[str, Any]:
        """Who calls where nobody else is named; empty: any number of the application."""
        return {"type": "phone", "number": self.caller_number} if self.caller_number else {}

    # -- how ------------------------------------------------------------------------------------------------------

    def live(self, uuid: str, *, or_ended: bool = False) -> KnownLeg:
        """The leg *uuid*. Raises UnknownLeg, LegEnded, NotConfigured."""
        self._needs_credentials()
        events, known = self.store.leg_history(uuid)
        if not events:
            raise UnknownLeg("No such leg is stored.")
        happened = moments(events)
        leg = project_leg(uuid, happened, known)
        if leg.state == "completed" and not or_ended:
            raise LegEnded("The leg has ended.")
        return KnownLeg(leg, happened, events)

    def _conversation(self, name: str) -> Conversation:
        """The conversation *name*. Raises UnknownConversation."""
        alone, moving = self.store.histories([name])
        legs = {uuid: project_leg(uuid, moments(leg.events), leg.known) for uuid, leg in moving.items()}
        times: Any = {"now": datetime.now(UTC), "presume_ended_after": timedelta.max}
        found = project(name, alone.get(name, {}), legs=legs, **times)
        if found is None:
            raise UnknownConversation("No such conversation is stored.")
        return found

    def _needs_credentials(self) -> None:
        if self.client.credentials is None:
            raise NotConfigured(("VONAGE_APPLICATION_ID", "VONAGE_PRIVATE_KEY"))

    def _request(
        self,
        known: KnownLeg,
        verb: str,
        arguments: dict[str, Any],
        *,
        by: str,
        id_: str | None,
        shown: Mapping[str, Any] | None = None,
        steps: tuple[str, ...] = (),
        here: str | None = None,
        others: Sequence[str] = (),
        spent: float = 0.0,
    ) -> Requested:
        """*here*: where the leg is, if its webhooks do not say so yet; *others* who are there."""
        leg, id_ = known.leg, id_ or new_id()
        moves = verb in MOVES and not steps
        if moves and (holder := self.operations.holder_of(leg.uuid)):
            raise InOperation(holder)
        if moves and leg.control.pending is not None:
            raise MovePending(leg.control.pending.action)
        numbered = self.store.number(
            leg.uuid, move=id_ if moves else None, ended=self._ended_move(known) if moves else None
        )
        if numbered.sequence is None:
            raise MovePending(numbered.pending or "")
        if moves and (holder := self.operations.holder_of(leg.uuid)):  # it took the leg while that was numbered
            raise InOperation(holder)
        first_received = min(kept.received for kept in known.history.values())
        answered = [k.received for k in known.history.values() if getattr(k.event, "status", "") == "answered"]
        began = max([first_received, *answered])
        created: dict[str, Any] = {
            "verb": verb,
            "leg": leg.uuid,
            "conversation": here or conversation_of(leg, known.moments),
            "after": leg.place.order,
            "by": by,
            "sequence": numbered.sequence,
            "arguments": arguments,
            "shown": dict(arguments if shown is None else shown),
            "young": datetime.now(UTC) - began < timedelta(seconds=YOUNG_SECONDS),
            "steps": list(steps),
            "others": list(others),
        }
        given = {name: value for name, value in created.items() if value not in ([], None, False)}
        return self._begin(id_, given, spent)

    def _begin(self, id_: str, created: Mapping[str, Any], spent: float = 0.0) -> Requested:
        """Keep it, send it, and say what came of it until now; *spent*: seconds that the request has taken before."""
        entry = Entry("created", datetime.now(UTC), "created", ACTION, created)
        self.store.append(id_, [entry], due_in=FIRST_CHECK_SECONDS)
        until = time.monotonic() + REPLY_SECONDS - spent
        try:
            while True:
                with not_waiting():  # for Redis: what is read after it has the time of a request
                    self.driver.begin(id_, until - time.monotonic())
                requested = self._requested(id_, self.store.log_of(id_))
                if requested.done.state != "requested" or time.monotonic() + AGAIN_SECONDS > until:
                    return requested
                with not_waiting():
                    time.sleep(AGAIN_SECONDS)
        except StoreUnavailable:  # it is kept, and will be done
            action = next(event for event in events_of(id_, [entry]) if isinstance(event, Action))
            return Requested(id_, Done(entry.at, action, "requested", None, None, None))

    def _ended_move(self, known: KnownLeg) -> str | None:
        """The move that was numbered last, if it is not pending: nobody waits for its confirmation any more.

        One that is not among the events of the leg has only just been numbered: it is about to be sent.
        """
        latest, pending = self.store.latest_move(known.leg.uuid), known.leg.control.pending
        if latest is None or not is_kept(latest[0], known.history):
            return None
        return latest[0] if pending is None or pending.action != latest[0] else None

    def _requested(self, id_: str, entries: Sequence[Entry]) -> Requested:
        events = list(events_of(id_, entries))
        uuid = next((event.leg for event in events if event.leg), None)
        legs = {}
        if uuid and (found := self.store.leg_history(uuid)).events:
            legs = {uuid: project_leg(uuid, moments(found.events), found.known)}
        happened = [(event.occurred or entries[0].at, event) for event in events]
        done = next(done for done in done_to(happened, legs) if done.action.action == id_)
        return Requested(id_, done)

    def others(self, known: KnownLeg, *, on_hold: bool = False) -> list[str]:
        """The legs that the leg talks to, or that are where it is on hold from; none that has ended.

        *on_hold*: with those that are on hold from there.
        """
        return self.company(known, on_hold=on_hold)[1]

    def company(self, known: KnownLeg, *, on_hold: bool = False) -> tuple[str, list[str]]:
        """The same, and the conversation they are in.

        A leg that comes back from hold goes by way of another conversation, where nobody is.
        """
        name = _home_of(known.leg, known.moments)
        others = self._in(name, known.leg.uuid, on_hold=on_hold)
        if not others and (room := _coming_to(known.leg, known.moments)):
            there = self._in(room, known.leg.uuid, on_hold=on_hold)
            return (room, there) if there else (name, others)
        return name, others

    def _in(self, name: str, leg: str, *, on_hold: bool) -> list[str]:
        """The live legs in the conversation *name*, without *leg*."""
        found = self.store.histories([name])
        here = {k.event.leg for k in found.conversations.get(name, {}).values() if k.event.leg} - {leg}
        others = []
        for uuid in here:
            events, more = found.legs.get(uuid) or self.store.leg_history(uuid)
            happened = moments(events)
            other = project_leg(uuid, happened, more)
            where = _home_of(other, happened) if on_hold else conversation_of(other, happened)
            if other.state != "completed" and where == name:
                others.append(uuid)
        return sorted(others)

    def is_pair(self, leg: Leg) -> bool:
        """Whether a `connect` joined the leg with another one."""
        names = self.store.conversations_of(leg.uuid)
        found = self.store.histories(names)
        return any(is_connected(moments(history)) for history in found.conversations.values())


def conversation_of(leg: Leg, happened: Sequence[Moment]) -> str | None:
    """Where the leg is now."""
    if leg.place.conversation:
        return leg.place.conversation
    return next((event.conversation for _, event in reversed(happened) if event.conversation), None)


def _over_already(leg: Leg, by: str) -> Requested:
    action = Action(canonical=b"", leg=leg.uuid, action="", verb="hangup", by=by)
    return Requested("", Done(datetime.now(UTC), action, "confirmed", "webhook", None, None))


def _home_of(leg: Leg, happened: Sequence[Moment]) -> str:
    """Where the leg is or, while it is on hold, where it is on hold from."""
    held = leg.control.hold in ("held", "resuming")
    home = held_from(leg.uuid, done_to(happened, {leg.uuid: leg})) if held else None
    return home or conversation_of(leg, happened) or ""


def _coming_to(leg: Leg, happened: Sequence[Moment]) -> str | None:
    """The conversation to which a leg comes back that was on hold until its latest move; None: it does not."""
    done = [each for each in done_to(happened, {leg.uuid: leg}) if each.action.verb in MOVES]
    latest = max(done, key=lambda each: each.action.sequence, default=None)
    if latest is None or latest.action.verb != "resume" or not leg.moves:
        return None
    return held_from(leg.uuid, done) if leg.moves[-1].left == latest.action.conversation else None


def _request_of(leg: Leg) -> Request:
    """What a flow knows of *leg* when it is entered."""
    return Request(from_=leg.from_, to=leg.to, uuid=leg.uuid)
