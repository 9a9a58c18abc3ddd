"""`notify`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#notify"""

from __future__ import annotations

from vonage_simulator import webhook_bodies
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, Ncco
from vonage_simulator.ledger import Target


async def run(active: ActiveLeg, action: Action) -> Ncco | None:
    """Send the payload; return the NCCO in the reply."""
    context, payload = active.context, action["payload"]
    context.trace(active.leg, "notify", payload=payload)
    body = webhook_bodies.notify(active.leg.conversation.uuid, payload, context.clock.now())
    return await context.send_for_ncco(active.leg, body, Target.of(action))
