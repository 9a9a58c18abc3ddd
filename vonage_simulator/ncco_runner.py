"""Runs an NCCO action by action on one leg: https://developer.vonage.com/en/voice/voice-api/ncco-reference"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from vonage_simulator.actions import connect, conversation, notify, record, stream, talk, transfer, wait
from vonage_simulator.actions import input as input_
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, Ncco
from vonage_simulator.ncco import as_run

NEEDS_NO_ANSWER = ("connect", "notify")  # a caller hears ringing until the callee answers (a log of 2018)
# ncco.py refuses every other action; `connect` gets an argument more
ACTIONS: Mapping[str, Callable[[ActiveLeg, Action], Coroutine[Any, Any, Ncco | None]]] = {
    "conversation": conversation.run,
    "input": input_.run,
    "notify": notify.run,
    "record": record.run,
    "stream": stream.run,
    "talk": talk.run,
    "transfer": transfer.run,
    "wait": wait.run,
}


def replace_script(active: ActiveLeg, ncco: Ncco) -> None:
    """Run *ncco* in place of what the leg runs now. At its end the leg is over."""
    if active.script:
        active.script.cancel()
    active.playback.cut()
    active.script = active.context.spawn(run_to_end(active, ncco))


async def run(active: ActiveLeg, ncco: Ncco) -> None:
    """Run *ncco*; an NCCO that the application replies with on the way replaces the actions that are left."""
    actions = deque(ncco)
    while actions and not active.over.is_set():
        action = as_run(actions.popleft())
        name = action["action"]
        if name not in NEEDS_NO_ANSWER:
            active.answer()
        replaced = await (connect.run(active, action, run) if name == "connect" else ACTIONS[name](active, action))
        if replaced is not None:
            actions = deque(replaced)


async def run_to_end(active: ActiveLeg, ncco: Ncco | None) -> None:
    """Run *ncco*, then end the leg; with None end it at once."""
    if ncco is None:
        active.end("platform", "no NCCO was received")
        return
    await run(active, ncco)
    active.end("platform", "the script is over")
