"""What this server, or who uses it, did to a call: kept in the conversation as events, beside the webhooks.

Requested and confirmed are two things. An `Action` says what was requested, its `ActionResult`s what Vonage replied; a
move (`MOVES`) is confirmed by the transfer webhook that follows, a hangup by `completed`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

from app.domain.events import CANONICAL, LOOKED_UP, Event

# done: Vonage accepted it; refused: it did not, and says why; gone: it knows no such leg (any more); failed: it was not
# carried out, for another reason; unknown: no reply, so nobody can say; timeout: no webhook confirmed it in time.
Result = Literal["done", "refused", "gone", "failed", "unknown", "timeout"]

MOVES: Final = frozenset({"hold", "resume", "transfer", "move"})  # confirmed by a transfer webhook
RECORDING: Final = frozenset({"record_start", "record_pause", "record_resume", "record_stop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Event):
    """Something is to be done to a leg, or, where `leg` is None, to its conversation.

    `conversation` is where the leg was then, and `after` the order of the latest place known of it
    (`app/domain/moves.py`), so that the webhook of an earlier move confirms nothing; of a recording, that of the leg
    that came last into the conversation, so that it is known later whether everybody has left it. `sequence` numbers
    the actions of a leg over all servers, and those on the recording of a conversation. `by` says who: "operator",
    "user Alice", or the operation that the step is of. `arguments` is the JSON text of an object.
    """

    kind: ClassVar[str] = "action"

    action: str
    verb: str
    by: str
    sequence: int = 0
    after: int = 0
    operation: str | None = None
    arguments: str = "{}"

    @property
    def argument(self) -> Mapping[str, Any]:
        """The arguments as an object."""
        found: Mapping[str, Any] = json.loads(self.arguments)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult(Event):
    """What came of an action; `status` is that of Vonage's response, `detail` what it says is wrong.

    If a leg was called into a `room`, this is of the new leg, in the conversation of who waits there: a caller or, if
    it is a `consultation`, who wants to put somebody through.
    """

    kind: ClassVar[str] = "action_result"

    action: str
    result: Result
    status: int | None = None
    detail: str | None = None
    room: str | None = None
    consultation: bool = False


OURS: Final = (Action, ActionResult)


def was_received(event: Event) -> bool:
    """Whether *event* came to this server: no action of ours, and not what Vonage's API said when it was asked."""
    return not isinstance(event, OURS) and LOOKED_UP not in event.flags


def kept(event: Action | ActionResult) -> dict[str, Any]:
    """*event* as the JSON object that is kept; None is left out. `read` reads it."""
    known: dict[str, Any] = {
        "action": event.action,
        "conversation_uuid": event.conversation,
        "uuid": event.leg,
        "timestamp": event.occurred.isoformat() if event.occurred else None,
    }
    if isinstance(event, Action):
        known |= {"verb": event.verb, "by": event.by, "sequence": event.sequence, "after": event.after}
        known |= {"operation": event.operation, "arguments": event.argument or None}
    else:
        known |= {"result": event.result, "status": event.status, "detail": event.detail, "room": event.room}
        known |= {"consultation": event.consultation or None}
    return {name: value for name, value in known.items() if value is not None}


def read(body: Mapping[str, Any]) -> Action | ActionResult:
    """The event that `kept` made *body* of."""
    common: dict[str, Any] = {
        "canonical": CANONICAL.encode(body).encode(),
        "conversation": body.get("conversation_uuid"),
        "leg": body.get("uuid"),
        "occurred": datetime.fromisoformat(body["timestamp"]) if "timestamp" in body else None,
        "action": body["action"],
    }
    if "verb" in body:
        return Action(
            **common,
            verb=body["verb"],
            by=body["by"],
            sequence=body["sequence"],
            after=body["after"],
            operation=body.get("operation"),
            arguments=CANONICAL.encode(body.get("arguments", {})),
        )
    about: dict[str, Any] = {name: body.get(name) for name in ("status", "detail", "room")}
    about["consultation"] = bool(body.get("consultation"))
    return ActionResult(**common, result=body["result"], **about)


def calls_into_room(event: Event) -> bool:
    """Whether *event* says that its leg was called into a room; where the leg is says something else."""
    return isinstance(event, ActionResult) and event.room is not None


def called_by(event: Event) -> str | None:
    """The action or operation that called the leg of *event*, if that says so."""
    if isinstance(event, Action):
        return event.operation if event.verb == "create" else None
    if isinstance(event, ActionResult) and event.room is not None:
        return event.action.partition(":")[0]
    return None
