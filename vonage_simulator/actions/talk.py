"""`talk`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk"""

from __future__ import annotations

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action
from vonage_simulator.webhook_bodies import spoken_seconds


async def run(active: ActiveLeg, action: Action) -> None:
    """Speak the text to the leg."""
    active.context.trace(active.leg, "talk", text=action["text"], language=action.get("language", "en-US"))
    await active.playback.by_script("talk", action["text"], spoken_seconds(action["text"]), action)
