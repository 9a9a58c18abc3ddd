"""`stream`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#stream"""

from __future__ import annotations

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action


async def run(active: ActiveLeg, action: Action) -> None:
    """Play an audio file to the leg. It is not downloaded: the scenario says how long it lasts."""
    url = action["streamUrl"][0]
    active.context.trace(active.leg, "stream", url=url)
    await active.playback.by_script("stream", url, active.scenario.stream_seconds, action)
