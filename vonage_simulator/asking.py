"""The `input` action: keys and speech, and what comes of them.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#input
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vonage_simulator import audio, bodies
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Ncco
from vonage_simulator.ledger import InputResult, Target

# What holds where an action does not say: https://developer.vonage.com/en/voice/voice-api/ncco-reference#input
MOST_DIGITS, KEYS_WITHIN = 4, 3
SPEECH_WITHIN, MOST_SPEECH, END_ON_SILENCE = 10, 60, 2.0
REACTION = 1.0  # seconds until somebody who was asked begins to key or to speak; ours
BETWEEN_KEYS = 0.3
CONFIDENCE = "0.9405097"  # as a sample of Vonage's has it
NOT_ENABLED = {"error": "Speech was not enabled"}  # a recorded request of an input for keys only
OVERRIDDEN = {"error": "Speech overridden by DTMF"}


async def ask(line: ActiveLeg, action: Mapping[str, Any]) -> Ncco | None:
    """Ask for input; the NCCO that the application answers it with, or None to go on."""
    types = action["type"]
    line.board.note(line.leg, "input", **{name: value for name, value in action.items() if name != "action"})
    target = Target.of(action)
    line.barge_in = False
    if action.get("mode") == "asynchronous":
        line.do(press_one_by_one(line, target))
        return None
    keys = line.next_keys() if "dtmf" in types else ""
    says = "" if keys or "speech" not in types else line.next_says()
    if keys:
        dtmf = await _keyed(line, keys, action.get("dtmf") or {})
        speech = OVERRIDDEN if "speech" in types else NOT_ENABLED
    elif says:  # a recorded request of an input for speech only has null
        dtmf = {"digits": "" if "dtmf" in types else None, "timed_out": False}
        speech = await _spoken(line, says, action.get("speech") or {})
    else:
        dtmf, speech = await _silence(line, action)
    return await line.board.next_for(line.leg, _result(line, dtmf, speech), target)


async def press_one_by_one(line: ActiveLeg, target: Target | None) -> None:
    """The far end presses its next keys, each of which is an event of its own, whose reply nobody reads."""
    for key in line.next_keys():
        await line.board.clock.sleep(REACTION)
        line.board.note(line.leg, "keys", digits=key)
        body = _result(line, {"digits": key, "timed_out": False}, NOT_ENABLED)
        line.board.tell(line.leg, body, target)


async def _keyed(line: ActiveLeg, keys: str, options: Mapping[str, Any]) -> dict[str, Any]:
    clock = line.board.clock
    most, submits = options.get("maxDigits", MOST_DIGITS), options.get("submitOnHash", False)
    pressed, timed_out = "", True
    await clock.sleep(REACTION)
    line.prompt_until = clock.seconds  # the first key silences what is said
    for key in keys:
        if submits and key == "#":
            timed_out = False
            break
        pressed += key
        await clock.sleep(BETWEEN_KEYS)
        if len(pressed) == most:
            timed_out = False
            break
    line.board.note(line.leg, "keys", digits=keys[: len(pressed) + (not timed_out and len(pressed) < most)])
    if timed_out:
        await clock.sleep(options.get("timeOut", KEYS_WITHIN))
    return {"digits": pressed, "timed_out": timed_out}


async def _spoken(line: ActiveLeg, says: str, options: Mapping[str, Any]) -> dict[str, Any]:
    clock = line.board.clock
    await clock.sleep(REACTION)
    line.prompt_until = clock.seconds
    line.board.note(line.leg, "speech", text=says)
    line.board.recorder.hear(line.leg.conversation, says)
    seconds, most = bodies.spoken_seconds(says), options.get("maxDuration", MOST_SPEECH)
    await clock.sleep(min(seconds, most))
    if seconds <= most:
        await clock.sleep(options.get("endOnSilence", END_ON_SILENCE))
    speech: dict[str, Any] = {
        "timeout_reason": "end_on_silence_timeout" if seconds <= most else "max_duration",
        "results": [{"confidence": CONFIDENCE, "text": says}],
    }
    if options.get("saveAudio"):
        speech["recording_url"] = line.board.recorder.keep(audio.silence("wav", min(seconds, most)), "wav")
    return speech


async def _silence(line: ActiveLeg, action: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Nobody keys or says anything: first what plays ends, then the longer of the two waits."""
    clock, types = line.board.clock, action["type"]
    waits = []
    if "dtmf" in types:
        waits.append((action.get("dtmf") or {}).get("timeOut", KEYS_WITHIN))
    if "speech" in types:
        waits.append((action.get("speech") or {}).get("startTimeout", SPEECH_WITHIN))
    # Whether the wait begins with the prompt or after it is not documented; nothing could be keyed after a long prompt
    # if it began with it. What plays for ever does not count.
    playing = line.prompt_until - clock.seconds
    await clock.sleep((playing if 0 < playing < float("inf") else 0) + max(waits))
    line.prompt_until = clock.seconds
    dtmf = {"digits": "" if "dtmf" in types else None, "timed_out": "dtmf" in types}
    return dtmf, {"timeout_reason": "start_timeout", "results": []} if "speech" in types else NOT_ENABLED


def _result(line: ActiveLeg, dtmf: dict[str, Any], speech: dict[str, Any]) -> dict[str, Any]:
    """The event; it goes into the ledger too."""
    leg, at = line.leg, line.board.clock.now()
    leg.conversation.inputs.append(
        InputResult(
            at=at,
            leg=leg.uuid,
            digits=dtmf["digits"],
            timed_out=dtmf["timed_out"],
            speech=tuple((one["text"], one["confidence"]) for one in speech.get("results", ())),
            timeout_reason=speech.get("timeout_reason"),
            error=speech.get("error"),
        )
    )
    return bodies.input_result(leg, dtmf=dtmf, speech=speech, at=at)
