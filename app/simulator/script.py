"""A script: NCCO, run action by action on one leg.

Which actions wait, and what ends them: https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from app.simulator import bodies
from app.simulator.asking import ask, target_of
from app.simulator.connecting import connect
from app.simulator.lines import Line
from app.simulator.switchboard import SYNTAX_ERROR, Ncco

FOR_EVER = float("inf")
NEEDS_NO_ANSWER = ("connect", "notify")  # a caller hears it ring until the callee answers (a log of 2018)
SHORTEST_WAIT, LONGEST_WAIT = 0.1, 7200.0  # what is out of these is taken for them
SPEECH_SECONDS = 5.0  # that somebody speaks whose words no scenario gives


def start(line: Line, ncco: Ncco) -> None:
    """Run *ncco* on *line*, in place of what it runs now. At its end the leg is over."""
    if line.script:
        line.script.cancel()
    line.script = line.board.spawn(whole(line, ncco))


async def run(line: Line, ncco: Ncco) -> None:
    """Run *ncco* on *line* to its end; what the application answers on the way replaces what is left."""
    steps = deque(ncco)
    while steps and not line.over.is_set():
        action = steps.popleft()
        if action["action"] not in NEEDS_NO_ANSWER:
            line.answer()
        replaced = await _step(line, action)
        if replaced is not None:
            steps = deque(replaced)


async def whole(line: Line, ncco: Ncco) -> None:
    await run(line, ncco)
    line.end("platform", "the script is over")


async def _step(line: Line, action: Mapping[str, Any]) -> Ncco | None:
    """Run one action; an NCCO that it was answered with."""
    name = action["action"]
    if name == "connect":
        return await connect(line, action, run)
    if name == "input":
        return await ask(line, action)
    if name == "notify":
        return await _notify(line, action)
    if name == "talk":
        line.board.note(line.leg, "talk", text=action["text"], language=action.get("language", "en-US"))
        await _play(line, bodies.spoken_seconds(action["text"]), action)
    elif name == "stream":
        line.board.note(line.leg, "stream", url=action["streamUrl"][0])
        await _play(line, line.scenario.stream_seconds, action)
    elif name == "wait":
        seconds = min(max(action.get("timeout", 10), SHORTEST_WAIT), LONGEST_WAIT)
        line.board.note(line.leg, "wait", seconds=seconds)
        await line.board.clock.sleep(seconds)
    elif name == "record":
        await _record(line, action)
    elif name == "conversation":
        if line.board.rooms.enter(line, action):
            await line.over.wait()
    elif name == "transfer":
        await _transfer(line, action)
    return None


async def _play(line: Line, seconds: float, action: Mapping[str, Any]) -> None:
    clock = line.board.clock
    loop = action.get("loop", 1)
    seconds = seconds * loop if loop else FOR_EVER
    if action.get("bargeIn"):  # the next `input` may begin while it plays
        line.prompt_until = max(line.prompt_until, clock.seconds) + seconds
    elif seconds == FOR_EVER:
        await line.over.wait()
    else:
        await clock.sleep(seconds)


async def _notify(line: Line, action: Mapping[str, Any]) -> Ncco | None:
    board = line.board
    board.note(line.leg, "notify", payload=action["payload"])
    body = bodies.notify(line.leg.conversation.uuid, action["payload"], board.clock.now())
    return await board.next_for(line.leg, body, target_of(action))


async def _record(line: Line, action: Mapping[str, Any]) -> None:
    """Waits only if something ends it: a key, silence or a time. Else it goes on until everybody is gone."""
    board = line.board
    board.recorder.start(line.leg.conversation, action, line.leg)
    key, silence, longest = action.get("endOnKey"), action.get("endOnSilence"), action.get("timeOut")
    if key is None and silence is None and longest is None:
        return
    says = line.next_says()
    if says:
        board.note(line.leg, "speech", text=says)
    speaks = bodies.spoken_seconds(says) if says else SPEECH_SECONDS
    ends = [float(longest)] if longest else []
    if silence:
        ends.append(speaks + silence)
    if key and key in line.next_keys():
        ends.append(speaks)
    if not ends:  # nobody presses the key
        await line.over.wait()
    if await line.pause(min(ends)):
        if key and min(ends) == speaks:
            board.note(line.leg, "keys", digits=key)
        board.recorder.stop(line.leg.conversation)


async def _transfer(line: Line, action: Mapping[str, Any]) -> None:
    """Join another conversation for good."""
    board = line.board
    conversation = board.ledger.conversations.get(action["conversationId"])
    if conversation is None or not conversation.present:
        board.fault(line.leg, SYNTAX_ERROR)
        return
    board.rooms.join(line, conversation, action)
    await line.over.wait()
