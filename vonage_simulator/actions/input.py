"""`input`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#input"""

from __future__ import annotations

from typing import Any

from vonage_simulator import audio, recorder, webhook_bodies
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, Ncco
from vonage_simulator.files import File
from vonage_simulator.keypad import PressedKeys
from vonage_simulator.ledger import InputResult, Target
from vonage_simulator.playback import FOREVER

# Defaults of the action's options
MAX_DIGITS, TIME_OUT = 4, 3
START_TIMEOUT, MAX_DURATION, END_ON_SILENCE = 10, 60, 2.0
REACTION = 1.0  # seconds until somebody begins to key or to speak; ours
BETWEEN_KEYS = 0.3
CONFIDENCE = "0.9405097"  # as in a sample of Vonage's
NOT_ENABLED = {"error": "Speech was not enabled"}  # a recorded request of an input for keys only
OVERRIDDEN = {"error": "Speech overridden by DTMF"}


async def run(active: ActiveLeg, action: Action) -> Ncco | None:
    """Take keys or speech and send the result; return the NCCO in the reply."""
    types = action["type"]
    active.context.trace(active.leg, "input", **{name: value for name, value in action.items() if name != "action"})
    target = Target.of(action)
    active.playback.barge_in = False
    if action.get("mode") == "asynchronous":
        active.spawn(send_each_key(active, target))
        return None
    keys = active.keypad.next_text() if "dtmf" in types else ""
    says = "" if keys or "speech" not in types else active.next_says()
    if keys:
        dtmf = await _keyed(active, keys, action.get("dtmf") or {})
        speech = OVERRIDDEN if "speech" in types else NOT_ENABLED
    elif says:  # a recorded request of an input for speech only has null
        dtmf = {"digits": "" if "dtmf" in types else None, "timed_out": False}
        speech = await _spoken(active, says, action.get("speech") or {})
    else:
        dtmf, speech = await _by_hand(active, action)
    return await active.context.send_for_ncco(active.leg, _result(active, dtmf, speech), target)


async def send_each_key(active: ActiveLeg, target: Target | None) -> None:
    """The far end presses its next keys, then those by hand: an event for each, whose reply is ignored."""

    def send(key: str) -> None:
        body = _result(active, {"digits": key, "timed_out": False}, NOT_ENABLED)
        active.context.send(active.leg, body, target)

    with active.keypad.listened_to() as pressed:
        for key in active.keypad.next_text():
            await active.context.clock.sleep(REACTION)
            active.context.trace(active.leg, "keys", digits=key)
            send(key)
        while key_now := await pressed.next():
            send(key_now)


async def _keyed(active: ActiveLeg, keys: str, options: Action) -> dict[str, Any]:
    clock, most = active.context.clock, options.get("maxDigits", MAX_DIGITS)
    entered, submit, _ = keys.partition("#") if options.get("submitOnHash") else (keys, "", "")
    digits = entered[:most]
    if len(digits) == most:
        submit = ""  # the result is sent before a # could be pressed
    timed_out = len(digits) < most and not submit
    await clock.sleep(REACTION)
    active.playback.interrupt()
    await clock.sleep(BETWEEN_KEYS * len(digits))
    active.context.trace(active.leg, "keys", digits=digits + submit)
    if timed_out:
        await clock.sleep(options.get("timeOut", TIME_OUT))
    return {"digits": digits, "timed_out": timed_out}


async def _spoken(active: ActiveLeg, says: str, options: Action) -> dict[str, Any]:
    context = active.context
    await context.clock.sleep(REACTION)
    active.playback.interrupt()
    context.trace(active.leg, "speech", text=says)
    recorder.add_speech(context, active.leg.conversation, says)
    seconds, most = webhook_bodies.spoken_seconds(says), options.get("maxDuration", MAX_DURATION)
    await context.clock.sleep(min(seconds, most))
    if seconds <= most:
        await context.clock.sleep(options.get("endOnSilence", END_ON_SILENCE))
    speech: dict[str, Any] = {
        "timeout_reason": "end_on_silence_timeout" if seconds <= most else "max_duration",
        "results": [{"confidence": CONFIDENCE, "text": says}],
    }
    if options.get("saveAudio"):
        speech["recording_url"] = context.files.add(File(audio.silence("wav", min(seconds, most)), "wav"))
    return speech


async def _by_hand(active: ActiveLeg, action: Action) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys that are pressed by hand. Without any: what is played ends, then the longer of the timeouts passes."""
    clock, types = active.context.clock, action["type"]
    options = action.get("dtmf") or {}
    for_keys = options.get("timeOut", TIME_OUT) if "dtmf" in types else 0
    for_speech = (action.get("speech") or {}).get("startTimeout", START_TIMEOUT) if "speech" in types else 0
    # Whether the timeout begins with the prompt or after it is not documented; nothing could be keyed after a long
    # prompt if it began with it. A prompt that plays for ever does not count.
    playing = active.playback.prompt_until - clock.seconds
    silence = (playing if 0 < playing < FOREVER else 0) + max(for_keys, for_speech)
    if "dtmf" not in types:
        await clock.sleep(silence)
    else:
        with active.keypad.listened_to() as pressed:
            if (key := await pressed.next(silence)) is not None:
                return await _more_keys(active, key, pressed, options), OVERRIDDEN if "speech" in types else NOT_ENABLED
    active.playback.interrupt()
    dtmf = {"digits": "" if "dtmf" in types else None, "timed_out": "dtmf" in types}
    return dtmf, {"timeout_reason": "start_timeout", "results": []} if "speech" in types else NOT_ENABLED


async def _more_keys(active: ActiveLeg, key: str, pressed: PressedKeys, options: Action) -> dict[str, Any]:
    """*key*, and those that follow it in time."""
    active.playback.interrupt()
    digits, most, time_out = "", options.get("maxDigits", MAX_DIGITS), options.get("timeOut", TIME_OUT)
    following: str | None = key
    while following and not (following == "#" and options.get("submitOnHash")):
        digits += following
        if len(digits) == most:
            break
        following = await pressed.next(time_out)
    return {"digits": digits, "timed_out": following is None}


def _result(active: ActiveLeg, dtmf: dict[str, Any], speech: dict[str, Any]) -> dict[str, Any]:
    """Add the result to the ledger and return its event."""
    leg, at = active.leg, active.context.clock.now()
    leg.conversation.inputs.append(
        InputResult(
            at=at,
            leg=leg.uuid,
            digits=dtmf["digits"],
            timed_out=dtmf["timed_out"],
            speech=tuple((result["text"], result["confidence"]) for result in speech.get("results", ())),
            timeout_reason=speech.get("timeout_reason"),
            error=speech.get("error"),
        )
    )
    return webhook_bodies.input_result(leg, dtmf=dtmf, speech=speech, at=at)
