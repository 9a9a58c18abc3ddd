"""What pages do to calls, and the events that they get.

A page knows a call by the id of its user's leg; that this is also the `uuid` of webhooks is not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vonage_simulator.call_context import IN_BROWSER
from vonage_simulator.carrier import Carrier
from vonage_simulator.client_sdk.errors import refused
from vonage_simulator.client_sdk.sessions import Session, Sessions
from vonage_simulator.ledger import Leg
from vonage_simulator.refusals import NotActive, NotRinging
from vonage_simulator.scenario import Call
from vonage_simulator.trace import Happening

# `VoiceChannelType` of the SDK; a leg of another kind comes from the telephone network.
CHANNELS = {"app": "app", "sip": "sip", "websocket": "websocket"}
# Why a leg rings no more, by its status.
CANCEL_REASONS = {"timeout": "RemoteTimeout", "rejected": "RejectedElsewhere"}
# What a caller's page gets if nobody was reached. The SDK has no reason for busy: it is declined as well.
HANGUP_REASONS = {
    "rejected": "REMOTE_REJECT",
    "busy": "REMOTE_REJECT",
    "timeout": "REMOTE_NO_ANSWER_TIMEOUT",
    "unanswered": "REMOTE_NO_ANSWER_TIMEOUT",
}


class Calls:
    """The legs of users who are in a browser: those that ring in all sessions of a user, and those that one has."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.sessions = Sessions(self._left, self._silent)
        self._ringing: dict[str, set[Session]] = {}
        self._holders: dict[str, Session] = {}
        self._rung: set[str] = set()  # legs of others of which pages know that they ring
        self._reasons: dict[str, str] = {}  # why a page's call is about to end, if it was not the other side
        carrier.watchers.add(self._happened)

    def stop(self) -> None:
        self._carrier.watchers.remove(self._happened)
        self.sessions.stop()

    # What pages do

    def arrived(self, session: Session) -> None:
        """A page has just opened: it rings, too, for the calls that ring."""
        for uuid, sessions in self._ringing.items():
            leg = self._carrier.ledger.legs[uuid]
            if leg.to == session.user:
                sessions.add(session)
                self._invite(session, leg)

    def call(self, session: Session, context: Mapping[str, Any]) -> str:
        """Place a call of the session's user; what is in *context* besides `to` is custom data."""
        to = context.get("to")
        data = {name: value for name, value in context.items() if name != "to"}
        leg = self._carrier.place(
            Call(
                from_=session.user,
                to="" if to is None else str(to),
                endpoint="app",
                far_end=IN_BROWSER,
                custom_data=data or None,
            )
        )
        self._take(session, leg.uuid)
        return leg.uuid

    def answer(self, session: Session, uuid: str) -> None:
        """Raises SdkError."""
        self._check_rings(session, uuid)
        try:
            self._carrier.people.answer(uuid)
        except NotRinging as error:
            raise refused("the call does not ring any more") from error
        self._stop_ringing(uuid, "AnsweredElsewhere", but=session)
        self._take(session, uuid)

    def reject(self, session: Session, uuid: str) -> None:
        """Raises SdkError."""
        self._check_rings(session, uuid)
        try:
            self._carrier.people.reject(uuid)
        except NotRinging as error:
            raise refused("the call does not ring any more") from error
        self._stop_ringing(uuid, "RejectedElsewhere", but=session)

    def hang_up(self, session: Session, uuid: str, reason: str = "LOCAL_HANGUP") -> None:
        """Raises SdkError."""
        self.check_has(session, uuid)
        self._reasons[uuid] = reason
        try:
            self._carrier.people.hang_up(uuid)
        except NotActive as error:
            del self._reasons[uuid]
            raise refused("the call is not answered yet") from error

    def leave(self, session: Session) -> None:
        """The page ends its session, and with it what it has."""
        for uuid in [*session.calls]:
            self.hang_up(session, uuid)
        self.sessions.delete(session)

    def take_back(self, session: Session, uuid: str) -> None:
        """A page that was opened again goes on with a call of its user's. Raises SdkError."""
        holder = self._holders.get(uuid)
        if holder is None or holder.user != session.user:
            raise refused(f"there is no call {uuid} of this user")
        holder.calls.discard(uuid)
        self._take(session, uuid)

    def check_has(self, session: Session, uuid: str) -> None:
        """Raise SdkError unless *session* has this call."""
        if self._holders.get(uuid) is not session:
            raise refused(f"this session has no call {uuid}")

    # The events that pages get

    def _happened(self, happening: Happening) -> None:
        leg = self._carrier.ledger.legs.get(happening.leg)
        if leg is None:
            return
        match happening.what:
            case "invite":
                self._ringing[leg.uuid] = set(self.sessions.of(leg.to))
                for session in self._ringing[leg.uuid]:
                    self._invite(session, leg)
                self._tell_status(leg, "RINGING")
            case "status":
                self._status(leg, happening.data["status"])
            case "moved":
                self._tell(leg.uuid, "callTransfer", happening.data["joined"])
            case "mute":
                self._tell_all(leg, "mute", happening.data["on"])
            case "earmuff":
                self._tell_all(leg, "earmuff", happening.data["on"])
            case "keys":
                self._tell_all(leg, "dtmf", happening.data["digits"])

    def _status(self, leg: Leg, status: str) -> None:
        if status in ("started", "ringing") and leg.direction == "outbound" and leg.far_end is not IN_BROWSER:
            self._tell_status(leg, "RINGING")
        elif status == "answered":
            self._stop_ringing(leg.uuid, "AnsweredElsewhere")  # a test may answer for the user, without a page
            self._tell_status(leg, "ANSWERED")
        elif status == (leg.failure or "completed"):
            self._tell_status(leg, "COMPLETED")
            self._ended(leg)

    def _ended(self, leg: Leg) -> None:
        self._rung.discard(leg.uuid)
        self._stop_ringing(leg.uuid, CANCEL_REASONS.get(leg.failure or "", "RemoteCancel"))
        if session := self._holders.pop(leg.uuid, None):
            session.calls.discard(leg.uuid)
            reason = self._reasons.pop(leg.uuid, None) or self._reason(leg)
            session.tell("callHangup", leg.uuid, reason)

    def _reason(self, leg: Leg) -> str:
        """Why a call ended that the page did not end: whom it called last was not reached, or it was hung up."""
        others = [other for other in leg.conversation.legs.values() if other is not leg]
        failure = others[-1].failure if others and leg.from_user else None
        return HANGUP_REASONS.get(failure or "", "REMOTE_HANGUP")

    def _tell_status(self, leg: Leg, status: str) -> None:
        """Tell everybody in the conversation of *leg*; its own page is a member once it has answered."""
        if status == "RINGING":
            if leg.uuid in self._rung:
                return
            self._rung.add(leg.uuid)
        self._tell_all(leg, "legStatusUpdate", status)

    def _tell_all(self, leg: Leg, event: str, *args: Any) -> None:
        """Tell each page in the conversation of *leg* of an event with the arguments (its call, that leg, *args*)."""
        for uuid in {leg.uuid, *leg.conversation.present}:
            self._tell(uuid, event, leg.uuid, *args)

    def _tell(self, uuid: str, event: str, *args: Any) -> None:
        if session := self._holders.get(uuid):
            session.tell(event, uuid, *args)

    def _invite(self, session: Session, leg: Leg) -> None:
        others = (other for uuid, other in leg.conversation.present.items() if uuid != leg.uuid)
        caller = next(others, None)
        channel = CHANNELS.get(caller.endpoint, "phone") if caller else "phone"
        session.tell("callInvite", leg.uuid, leg.from_ or "Unknown", channel)

    # The calls of a session

    def _take(self, session: Session, uuid: str) -> None:
        self._holders[uuid] = session
        session.calls.add(uuid)

    def _check_rings(self, session: Session, uuid: str) -> None:
        if session not in self._ringing.get(uuid, ()):
            raise refused(f"no call {uuid} rings here")

    def _stop_ringing(self, uuid: str, reason: str, but: Session | None = None) -> None:
        for session in self._ringing.pop(uuid, ()):
            if session is not but:
                session.tell("callInviteCancel", uuid, reason)

    def _left(self, session: Session) -> None:
        """A session is over: what it has is over, and what rings may ring elsewhere."""
        for sessions in self._ringing.values():
            sessions.discard(session)
        self._silent(session)

    def _silent(self, session: Session) -> None:
        """No sound has come for a while."""
        for uuid in [*session.calls]:
            self.hang_up(session, uuid, "MEDIA_TIMEOUT")
