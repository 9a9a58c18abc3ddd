"""`transfer`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#transfer"""

from __future__ import annotations

from vonage_simulator.actions.conversation import join
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import SYNTAX_ERROR, Action
from vonage_simulator.ledger import Room


async def run(active: ActiveLeg, action: Action) -> None:
    """Move to a conversation that exists already, and stay; go on if nobody is in it."""
    conversation = active.context.ledger.conversations.get(action["conversationId"])
    if conversation is None or not conversation.present:
        active.context.send_error(active.leg, SYNTAX_ERROR)
        return
    conversation.room = conversation.room or Room(started=True)
    join(active, conversation, action)
    await active.over.wait()
