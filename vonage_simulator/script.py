"""A script: NCCO, run action by action on one leg.

Which actions wait, and what ends them: https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from vonage_simulator import bodies, ncco
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.asking import ask
from vonage_simulator.call_context import SYNTAX_ERROR, Ncco
from vonage_simulator.connecting import connect
from vonage_simulator.ledger import Target

FOR_EVER = float("inf")
MOST_LOOPS = 1_000_000  # as often as this is for ever: whatever is played is longer than a hundredth of a second
NEEDS_NO_ANSWER = ("connect", "notify")  # a caller hears it ring until the callee answers (a log of 2018)
SHORTEST_WAIT, LONGEST_WAIT = 0.1, 7200.0  # what is out of these is taken for them
SPEECH_SECONDS = 5.0  # that somebody speaks whose words no scenario gives
CONVERSATION_OF = "conversation_of: "  # in a scenario's `transfer` action: before the number of a call, from 0


def of_scenario(line: ActiveLeg, actions: Iterable[Mapping[str, Any]]) -> Ncco | None:
    """The NCCO that a scenario gives *line*; None, and words for whoever watches, if it cannot be run."""
    own = [_own(line, action) for action in actions]
    faults = ncco.faults(own)
    for fault in faults:
        line.board.note(line.leg, "trouble", words=f"the scenario's NCCO cannot be run: {fault}")
    return None if faults else own


def start(line: ActiveLeg, told: Ncco) -> None:
    """Run *told* on *line*, in place of what it runs now. At its end the leg is over."""
    if line.script:
        line.script.cancel()
    line.script = line.board.spawn(whole(line, told))


async def run(line: ActiveLeg, told: Ncco) -> None:
    """Run *told* on *line* to its end; what the application answers on the way replaces what is left."""
    steps = deque(told)
    while steps and not line.over.is_set():
        action = steps.popleft()
        if action["action"] not in NEEDS_NO_ANSWER:
            line.answer()
        replaced = await _step(line, action)
        if replaced is not None:
            steps = deque(replaced)


async def whole(line: ActiveLeg, told: Ncco | None) -> None:
    """Run *told* on *line*; at its end the leg is over, and at once if there is nothing that could be run."""
    if told is None:
        line.end("platform", "nobody said what to do")
        return
    await run(line, told)
    line.end("platform", "the script is over")


def _own(line: ActiveLeg, action: Mapping[str, Any]) -> dict[str, Any]:
    """A scenario's action: `event_url` is the application's, and rooms are of this playing alone.

    A `transfer` may go to the conversation in which another of its calls is now.
    """
    made = dict(action)
    event, wanted = line.board.application.event, made.get("conversationId")
    if made.get("eventUrl") == ["event_url"] and event:
        made |= {"eventUrl": [event.url], "eventMethod": event.method}
    if made.get("action") == "conversation" and line.run > 1:
        made["name"] = f"{made.get('name')}-{line.run}"
    if made.get("action") == "transfer":
        for other in line.board.lines.values():
            if other.run == line.run and wanted == f"{CONVERSATION_OF}{other.number}":
                made["conversationId"] = other.leg.conversation.uuid
    return made


async def _step(line: ActiveLeg, action: Mapping[str, Any]) -> Ncco | None:
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


async def _play(line: ActiveLeg, seconds: float, action: Mapping[str, Any]) -> None:
    clock = line.board.clock
    loop = action.get("loop", 1)
    ends = max(line.prompt_until, clock.seconds) + (seconds * loop if 0 < loop < MOST_LOOPS else FOR_EVER)
    line.barge_in |= action.get("bargeIn", False)
    if line.barge_in:  # the next `input` may begin while it plays; what comes until then is behind it
        line.prompt_until = ends
    elif ends == FOR_EVER:
        await line.over.wait()
    else:
        await clock.sleep(ends - clock.seconds)


async def _notify(line: ActiveLeg, action: Mapping[str, Any]) -> Ncco | None:
    board = line.board
    board.note(line.leg, "notify", payload=action["payload"])
    body = bodies.notify(line.leg.conversation.uuid, action["payload"], board.clock.now())
    return await board.next_for(line.leg, body, Target.of(action))


async def _record(line: ActiveLeg, action: Mapping[str, Any]) -> None:
    """Waits only if something ends it: a key, silence or a time. Else it goes on until everybody is gone."""
    board = line.board
    board.recorder.start(line.leg.conversation, action, line.leg)
    key, silence, longest = action.get("endOnKey"), action.get("endOnSilence"), action.get("timeOut")
    if key is None and silence is None and longest is None:
        return
    says = line.next_says()
    if says:
        board.note(line.leg, "speech", text=says)
        board.recorder.hear(line.leg.conversation, says)
    speaks = bodies.spoken_seconds(says) if says else SPEECH_SECONDS
    ends = [float(longest)] if longest else []
    if silence:
        ends.append(speaks + silence)
    pressed = key is not None and key in line.next_keys()
    if pressed:
        ends.append(speaks)
    if not ends:  # nobody presses the key
        await line.over.wait()
        return
    if await line.pause(min(ends)):
        if pressed and min(ends) == speaks:
            board.note(line.leg, "keys", digits=key)
        board.recorder.stop(line.leg.conversation)


async def _transfer(line: ActiveLeg, action: Mapping[str, Any]) -> None:
    """Join another conversation for good."""
    board = line.board
    conversation = board.ledger.conversations.get(action["conversationId"])
    if conversation is None or not conversation.present:
        board.fault(line.leg, SYNTAX_ERROR)
        return
    board.rooms.join(line, conversation, action)
    await line.over.wait()
