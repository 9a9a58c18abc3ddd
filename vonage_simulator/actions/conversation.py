"""`conversation`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation"""

from __future__ import annotations

from vonage_simulator import recorder
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action
from vonage_simulator.ledger import Conversation, Leg, Room, Voice

MOST_MEMBERS = 50
WAITS = 120.0  # seconds that the first member waits for another, at least, if the scenario does not say; ours


async def run(active: ActiveLeg, action: Action) -> None:
    """Enter the named conversation, and stay; go on at once if it is full."""
    context, leg, name = active.context, active.leg, action["name"]
    conversation = context.ledger.by_name.get(name)
    if conversation is None:
        conversation = context.ledger.by_name[name] = context.new_conversation(name)
    if len(conversation.present) >= MOST_MEMBERS:
        return
    context.trace(leg, "join", name=name)
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
    speaks, hears = action.get("canSpeak"), action.get("canHear")
    room.voices[active.leg.uuid] = Voice(
        None if speaks is None else frozenset(speaks),
        None if hears is None else frozenset(hears),
        "musicOnHoldUrl" in action,
    )
    active.leg.muted = bool(action.get("mute"))
    active.move(conversation)
    active.idle = True
    return room


def hears(listener: Leg, speaker: Leg) -> bool:
    """Whether *listener* hears what *speaker* says now."""
    conversation = listener.conversation
    if listener is speaker or speaker.conversation is not conversation:
        return False
    if not (listener.answered and speaker.answered) or listener.over or speaker.over:
        return False
    if speaker.muted or listener.earmuffed:
        return False
    room = conversation.room
    if room is None:
        return True
    if not room.started:  # everybody waits, and hears music
        return False
    said, heard = room.voices.get(speaker.uuid, Voice()), room.voices.get(listener.uuid, Voice())
    return (said.speaks_to is None or listener.uuid in said.speaks_to) and (
        heard.hears is None or speaker.uuid in heard.hears
    )
