"""How the actions of an NCCO may stand to each other: what never runs, and what can never be interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.flows.schema import Wrong
from vonage_simulator import json_shape

# Whoever enters a conversation stays until they leave; a transfer leaves this one for good.
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation and #transfer
FINAL: Final = ("conversation", "transfer")
PLAYED: Final = ("talk", "stream")
RECORDS_UNTIL: Final = ("endOnSilence", "endOnKey", "timeOut")
# Without any of those, what follows runs at once; the call ends when nothing does.
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#record
WAITS_FOR_NOTHING: Final = (
    "It is the last action and does not wait, so that the call ends at once and nothing is recorded;"
    " there must be endOnSilence, endOnKey or timeOut, or an action after it."
)


def faults(ncco: Sequence[Mapping[str, Any]]) -> list[Wrong]:
    """What is wrong in the order of actions, each of which may be right by itself. A hole is given credit."""
    found: list[Wrong] = []
    names = [action.get("action") for action in ncco]
    for place, (action, name) in enumerate(zip(ncco, names, strict=True)):
        after = names[place + 1 :]
        if name in FINAL and after:
            found.append(Wrong((place,), f"It must be the last action: what follows a {name} never runs."))
        if name == "record" and not after and not any(option in action for option in RECORDS_UNTIL):
            found.append(Wrong((place,), WAITS_FOR_NOTHING))
        if name not in PLAYED:
            continue
        if after and _for_ever(action):
            words = f"It is 0, so that the {name} never ends, but an action follows; it must be 1 or more, or the last."
            found.append(Wrong((place, "loop"), words))
        if action.get("bargeIn") is True:
            then = next((one for one in after if one != name), None)
            if then != "input" and not json_shape.later(then):
                comes = f"is {then}" if then else "is missing"
                words = f"It is true, but the next action that is no {name} {comes}; it must be input."
                found.append(Wrong((place, "bargeIn"), words))
    return found


def _for_ever(action: Mapping[str, Any]) -> bool:
    """Whether it is played without end, and nobody can interrupt it.

    https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk
    """
    loop, barge_in = action.get("loop"), action.get("bargeIn")
    return loop == 0 and not isinstance(loop, bool) and barge_in is not True and not json_shape.later(barge_in)
