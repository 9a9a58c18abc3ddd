"""Calls of users, and to them, in rooms: where a reply would connect the caller, it leads the caller into a room.

There `app/domain/room_calls.py` calls the other one. So the two can be held, transferred and joined by others, which a
`connect` does not allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, Protocol

from app.domain.operations import as_id
from app.domain.room_calls import FAILURES, Order
from app.flows.flows import Flows
from app.flows.model import RenderFault
from app.flows.reply import Reply
from app.flows.user_calls import USER_CALL
from app.webhooks.diversion import Caller, step_of_action, user_of_action
from app.webhooks.intake import Webhook

SORRY: Final = {"action": "talk", "text": "The person you are calling cannot be reached. Please call again later."}
# What a call that we place can have as well; a `connect` with more stays one.
OPTIONS: Final = frozenset({"action", "endpoint", "from", "randomFromNumber", "timeout", "limit"})
OF_STEP: Final = frozenset({"eventUrl", "eventType", "eventMethod"})
ADDRESS: Final = {"app": "user", "phone": "number", "sip": "uri"}  # of an endpoint; one that has more stays as it is
SPEECH: Final = frozenset({"talk", "stream", "wait", "notify", "record"})  # may be ahead of it


class Callers(Protocol):
    """What calls into rooms."""

    @property
    def can_call(self) -> bool:
        """Whether there are the credentials for it."""

    @property
    def ringback(self) -> str:
        """The URL of what a caller hears meanwhile."""

    def begin(self, id_: str, order: Order, *, by: str) -> bool:
        """Whether it is certain now that the other one will be called. Waits 50 ms at most."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """Makes rooms of replies."""

    flows: Flows
    callers: Callers

    def entered(self, reply: Reply, webhook: Webhook, caller: Caller, state: str | None, *, to_event: bool) -> Reply:
        """*reply*, with a room in place of its `connect`, if that is to a user, or of a user; the other one is called.

        Without credentials to call anybody, or if it is not certain that the other one will be called, the reply stays
        as it is. *caller*: who runs the reply. *state*: of the step that the webhook is for. *to_event*: it is an
        event, and no request as of an answer URL.
        """
        if not self.flows.rooms_in(reply.flow) or not self.callers.can_call:
            return reply
        index = next((index for index, action in enumerate(reply.ncco) if action.get("action") not in SPEECH), None)
        connect = reply.ncco[index] if index is not None else {}
        users = {user_of_action(connect), caller.user} - {None}
        if index is None or not users or not users.isdisjoint(reply.unclaimed):  # Redis is silent
            return reply
        place, leads, leg = step_of_action(connect), list[str](), caller.leg
        if place:
            try:
                leg = self.flows.caller_of(place[2]) or leg
                leads = self.flows.leads(*place, FAILURES)
            except RenderFault:
                return reply
        if leg is None or not _can_be_placed(connect, of_step=place is not None):
            return reply
        # A leg asks for its answer once, and gets to a state once; of events it may have several.
        event = webhook.event.canonical if to_event and not state else b""
        id_ = _id_of([leg, state or "", _address_of(connect), reply.step or ""], event)
        order = Order(
            caller=leg,
            connect={name: value for name, value in connect.items() if name not in OF_STEP},
            room=f"call-{id_}",
            conversation=webhook.event.conversation,
            speech=index > 0,
            url=connect["eventUrl"][0] if leads else "",
            leads=leads,
            after=reply.ncco[index + 1 :],
            sorry=[SORRY],
        )
        by = f"user {caller.user}" if reply.flow == USER_CALL else f"flow {reply.flow}"
        if not self.callers.begin(id_, order, by=by):
            return reply
        # Nobody is heard before the other one comes, and until then Vonage plays the file.
        # https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation
        room = {"name": order.room, "startOnEnter": False, "musicOnHoldUrl": [self.callers.ringback]}
        ncco = [*reply.ncco[:index], {"action": "conversation", **room}]
        return replace(reply, ncco=ncco, room_for=dict(order.connect))


def _can_be_placed(connect: dict[str, Any], *, of_step: bool) -> bool:
    """Whether a call that we place can be as *connect* says."""
    if connect.get("action") != "connect" or not connect.keys() <= OPTIONS | (OF_STEP if of_step else set()):
        return False
    endpoint = connect["endpoint"][0]
    return endpoint["type"] in ADDRESS and endpoint.keys() == {"type", ADDRESS[endpoint["type"]]}


def _address_of(connect: dict[str, Any]) -> str:
    """Whom *connect* calls: a user's name, a number or a SIP address."""
    endpoint = connect["endpoint"][0]
    return str(endpoint[ADDRESS[endpoint["type"]]])


def _id_of(parts: list[str], event: bytes) -> str:
    """The same each time Vonage repeats the request, also with other fields in it: whom it is for is called once."""
    text = "\n".join(parts).encode(errors="surrogatepass")
    return as_id(blake2b(text + b"\n" + event, digest_size=12).hexdigest())
