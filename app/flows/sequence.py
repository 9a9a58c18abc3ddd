"""The order of actions in an NCCO: what never runs, and what can never be interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vonage_simulator import json_shape
from vonage_simulator.json_shape import Found
from vonage_simulator.ncco import ACTION, barge_in_faults

# A caller who enters a conversation stays until they leave; a transfer leaves this one for good.
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#conversation and #transfer
FINAL: Final = ("conversation", "transfer")
PLAYED: Final = ("talk", "stream")
# Without any of those, the next action runs at once; the call ends if there is none. With `timeOut` alone, too:
# https://developer.vonage.com/en/voice/voice-api/concepts/recording
RECORDS_UNTIL: Final = ("endOnSilence", "endOnKey")
WAITS_FOR_NOTHING: Final = (
    "It is the last action and does not wait, so that the call ends at once and nothing is recorded;"
    " there must be endOnSilence or endOnKey, or an action after it."
)


def faults(ncco: Sequence[Mapping[str, Any]]) -> list[Found]:
    """What is wrong in the order of actions, each of which may be right alone. Placeholders may become right."""
    found: list[Found] = []
    for index, (action, never_interrupted) in enumerate(zip(ncco, barge_in_faults(ncco), strict=True)):
        name, is_last = action.get("action"), index == len(ncco) - 1
        if name in FINAL and not is_last:
            found.append(((index,), f"It must be the last action: what follows a {name} never runs."))
        if name == "record" and is_last and not any(option in action for option in RECORDS_UNTIL):
            found.append(((index,), WAITS_FOR_NOTHING))
        if name in PLAYED and not is_last and "loop" in action and _is_endless(ACTION.plain(action)):
            words = f"It is 0, so that the {name} never ends, but an action follows; it must be 1 or more, or the last."
            found.append(((index, "loop"), words))
        if never_interrupted:
            found.append(((index, "bargeIn"), never_interrupted))
    return found


def _is_endless(action: Mapping[str, Any]) -> bool:
    """Whether it is played without end, and nobody can interrupt it.

    https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk
    """
    loop, barge_in = action.get("loop"), action.get("bargeIn")
    return loop == 0 and not isinstance(loop, bool) and barge_in is not True and not json_shape.later(barge_in)
