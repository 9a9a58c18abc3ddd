"""`record`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#record"""

from __future__ import annotations

from vonage_simulator import recorder
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action
from vonage_simulator.webhook_bodies import spoken_seconds

SPEECH_SECONDS = 5.0  # that somebody speaks whose words no scenario gives


async def run(active: ActiveLeg, action: Action) -> None:
    """Start recording, and wait if a key, silence or a time ends it. Else it goes on until everybody is gone."""
    context, leg = active.context, active.leg
    recorder.start(context, leg.conversation, action, leg)
    key, silence, longest = action.get("endOnKey"), action.get("endOnSilence"), action.get("timeOut")
    if key is None and silence is None and longest is None:
        return
    if says := active.next_says():
        context.trace(leg, "speech", text=says)
        recorder.add_speech(context, leg.conversation, says)
    speaks = spoken_seconds(says) if says else SPEECH_SECONDS
    ends = [float(longest)] if longest else []
    if silence:
        ends.append(speaks + silence)
    pressed = key is not None and key in active.next_keys()
    if pressed:
        ends.append(speaks)
    if not ends:  # nobody presses the key
        await active.over.wait()
    elif await active.pause(min(ends)):
        if pressed and min(ends) == speaks:
            context.trace(leg, "keys", digits=key)
        recorder.stop(context, leg.conversation)
