"""`record`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#record"""

from __future__ import annotations

import asyncio

from vonage_simulator import recorder
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action
from vonage_simulator.ledger import Conversation, RunningRecording
from vonage_simulator.webhook_bodies import spoken_seconds

SPEECH_SECONDS = 5.0  # that somebody speaks whose words no scenario gives


async def run(active: ActiveLeg, action: Action) -> None:
    """Start recording, and wait if a key or silence ends it, until its event has been sent.

    Else it goes on until everybody is gone, or for so long as `timeOut` says, while the script does: so the recording
    guide. A help article has `timeOut` among what is waited for; a script that holds by the guide holds by both.
    https://developer.vonage.com/en/voice/voice-api/concepts/recording,
    https://api.support.vonage.com/hc/en-us/articles/235528528
    """
    context, leg = active.context, active.leg
    running = recorder.start(context, leg.conversation, action, leg)
    key, silence, longest = action.get("endOnKey"), action.get("endOnSilence"), action.get("timeOut")
    if key is None and silence is None:
        if longest is not None:
            active.spawn(_end_after(active, leg.conversation, running, longest))
        return
    if says := active.next_says():
        context.trace(leg, "speech", text=says)
        recorder.add_speech(context, leg.conversation, says)
    speaks = spoken_seconds(says) if says else SPEECH_SECONDS
    ends = [float(longest)] if longest else []
    if silence:
        ends.append(speaks + silence)
    pressed = key is not None and key in active.keypad.next_text()
    if pressed:
        ends.append(speaks)
    by_hand = await _pressed_by_hand(active, key, min(ends, default=None))
    if not active.over.is_set():
        if pressed and not by_hand and min(ends) == speaks:
            context.trace(leg, "keys", digits=key)
        if sending := recorder.stop(context, leg.conversation):
            await asyncio.wait((sending,))


async def _end_after(active: ActiveLeg, conversation: Conversation, running: RunningRecording, seconds: float) -> None:
    await active.context.clock.sleep(seconds)
    if conversation.recording is running:
        recorder.stop(active.context, conversation)


async def _pressed_by_hand(active: ActiveLeg, key: str | None, seconds: float | None) -> bool:
    """Wait until *key* is pressed by hand, or for *seconds*, which may be None: without an end."""
    clock = active.context.clock
    ends = None if seconds is None else clock.seconds + seconds
    with active.keypad.listened_to() as pressed:
        while True:
            found = await pressed.next(None if ends is None else ends - clock.seconds)
            if found is None or found == key:
                return found is not None
