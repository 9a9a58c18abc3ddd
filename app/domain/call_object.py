"""What Vonage's API says of a leg, as bodies like those of webhooks: what webhooks never brought is filled in.

https://developer.vonage.com/en/api/voice#getCall
A body is kept under the flag `LOOKED_UP`. A webhook that reports the same, also one that comes later, counts in its
place: it says when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from app.domain.events import LOOKED_UP, CallStatus, Event, Transfer
from app.domain.leg_control import LegControl
from app.domain.leg_state import BITS, FINAL, STATES, LegState, state_of
from app.domain.moves import Move, Place

BILL: Final = ("rate", "price", "duration", "start_time", "end_time", "network")
PARTIES: Final = ("from", "to", "direction")
OVER: Final = "Vonage knows this call no more, and it was to be hung up"
UNKNOWN: Final = "Vonage's API knows no such call: it is long over, or of a region that VONAGE_API_HOSTS does not name"


class Asked(Protocol):
    """What is known of the leg that Vonage was asked about."""

    @property
    def uuid(self) -> str: ...
    @property
    def state(self) -> LegState: ...
    @property
    def moves(self) -> tuple[Move, ...]: ...
    @property
    def place(self) -> Place: ...
    @property
    def control(self) -> LegControl: ...


def news_in(call: Mapping[str, Any], leg: Asked, at: datetime, *, confirm: bool) -> list[dict[str, Any]]:
    """The bodies of what the call object *call* says that is not known of *leg*; none if it is all known.

    *call*: `from` and `to` are texts. *at*: when Vonage said so, by its own clock. *confirm*: that nothing has changed
    is news as well, for it was long ago that anything was received.
    """
    status = str(call.get("status") or "").lower()
    bits = BITS.get(status, 0)
    if not bits or leg.state == "completed":
        return []
    here, there = leg.place.conversation, call.get("conversation_uuid")
    body: dict[str, Any] = {"uuid": leg.uuid, "conversation_uuid": here or there, "status": status}
    body |= {name: call[name] for name in PARTIES if call.get(name)}
    if bits & FINAL:
        body |= {name: call[name] for name in BILL if call.get(name) is not None}
        return [body | ({"timestamp": call["end_time"]} if call.get("end_time") else {})]
    found: list[dict[str, Any]] = []
    if isinstance(there, str) and there and here and _has_moved(leg, there):
        # Its move was before Vonage said so, and after the latest that is known; a later one has to win.
        moved = max(at, leg.place.at + timedelta(milliseconds=1))
        transfer = {
            "uuid": leg.uuid,
            "type": "transfer",
            "conversation_uuid_from": here,
            "timestamp": moved.isoformat(),
        }
        found.append(transfer | {"conversation_uuid_to": there})
        body["conversation_uuid"] = there
    if confirm or STATES.index(state_of(bits).state) > STATES.index(leg.state):
        found.append(body | {"asked_at": at.isoformat()})
    return found


def not_found(leg: Asked) -> dict[str, Any]:
    """The body where no region of Vonage knows *leg*. One that was to be hung up is over."""
    body: dict[str, Any] = {"uuid": leg.uuid, "conversation_uuid": leg.place.conversation}
    if leg.control.hangup_requested:
        return body | {"status": "completed", "detail": OVER}
    return body | {"reason": UNKNOWN}


def _has_moved(leg: Asked, there: str) -> bool:
    """Whether the leg is in another conversation than webhooks say.

    Whether Vonage names the conversation in which a leg is, or that in which it began, is not documented. So one that
    it left counts only while a move of ours is not confirmed, which may have led back.
    """
    if there == leg.place.conversation:
        return False
    return leg.control.pending is not None or there not in {move.left for move in leg.moves}


def outdone(events: Collection[Event]) -> frozenset[bytes]:
    """The canonical bodies of what was looked up and is in webhooks among *events* as well."""
    looked_up = [event for event in events if LOOKED_UP in event.flags]
    if not looked_up:
        return frozenset()
    webhooks = [event for event in events if LOOKED_UP not in event.flags]
    statuses = {(event.leg, event.status) for event in webhooks if isinstance(event, CallStatus)}
    moves = [event for event in webhooks if isinstance(event, Transfer)]
    return frozenset(
        event.canonical
        for event in looked_up
        if (isinstance(event, CallStatus) and (event.leg, event.status) in statuses)
        or (isinstance(event, Transfer) and _is_reported(event, moves))
    )


def _is_reported(found: Transfer, moves: Iterable[Transfer]) -> bool:
    """Whether the latest move up to then that a webhook reports led there as well."""
    before = [
        (move.occurred, move.joined or "")
        for move in moves
        if move.leg == found.leg and move.occurred and found.occurred and move.occurred <= found.occurred
    ]
    return bool(before) and max(before)[1] == found.joined
