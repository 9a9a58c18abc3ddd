"""`conversation`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation"""

from __future__ import annotations

from vonage_simulator import recorder
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, CallContext
from vonage_simulator.ledger import Conversation, Room, Voice
from vonage_simulator.transcript import name

MOST_MEMBERS = 50
WAITS = 120.0  # seconds that the first member waits for another, at least, if the scenario does not say; ours


async def run(active: ActiveLeg, action: Action) -> None:
    """Enter the named conversation, and stay; go on at once if it is full."""
    context, leg, called = active.context, active.leg, action["name"]
    # Whether Vonage opens a conversation of this id again once it was empty is not known.
    conversation = context.ledger.by_name.get((leg.region, called))
    if conversation is None:
        conversation = context.ledger.by_name[leg.region, called] = context.new_conversation(leg.region, called)
    if len(conversation.present) >= MOST_MEMBERS:
        return
    context.trace(leg, "join", name=called)
    room = join(active, conversation, action)
    if action.get("endOnExit"):
        room.moderators.add(leg.uuid)
    if action.get("record"):
        room.record = action
    if action.get("startOnEnter", True):
        room.started = True
    if room.started and room.record is not None and not room.recording:
        room.recording = True
        recorder.start(context, conversation, room.record, leg)
    if len(conversation.present) == 1 and leg.far_end.hangs_up_after is None:
        active.left_alone(at_least=WAITS)
    await active.over.wait()


def join(active: ActiveLeg, conversation: Conversation, action: Action) -> Room:
    """Move the leg to *conversation*, with the `canSpeak`, `canHear`, `mute` and `musicOnHoldUrl` of *action*."""
    room = conversation.room = conversation.room or Room()
    speaks, hears, leg = action.get("canSpeak"), action.get("canHear"), active.leg
    active.move(conversation)
    active.mute(bool(action.get("mute")) or (leg.muted and active.context.behaviour.keeps_mute))
    leg.voice = Voice(
        None if speaks is None else frozenset(speaks),
        None if hears is None else frozenset(hears),
        "musicOnHoldUrl" in action,
    )
    if speaks is not None or hears is not None:
        context = active.context
        context.trace(leg, "voice", speaks_to=_names(context, speaks), hears=_names(context, hears))
    active.idle = True
    return room


def _names(context: CallContext, legs: list[str] | None) -> list[str] | None:
    """Who is at the far ends of *legs*."""
    known = context.ledger.legs
    return None if legs is None else [name(known[uuid]) if uuid in known else uuid for uuid in legs]
