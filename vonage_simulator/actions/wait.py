"""`wait`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#wait"""

from __future__ import annotations

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action

SHORTEST, LONGEST = 0.1, 7200.0  # seconds; a `timeout` outside is taken for the nearer of the two


async def run(active: ActiveLeg, action: Action) -> None:
    """Wait."""
    seconds = min(max(action.get("timeout", 10), SHORTEST), LONGEST)
    active.context.trace(active.leg, "wait", seconds=seconds)
    await active.context.clock.sleep(seconds)
