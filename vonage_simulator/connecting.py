"""The `connect` action: ring one endpoint, put the two together, and go on once they have parted.

https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from vonage_simulator import dialling
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import TOO_MANY_CALLS, Ncco
from vonage_simulator.ledger import ANSWER_SECONDS, Leg, Target

Run = Callable[[ActiveLeg, Ncco], Coroutine[Any, Any, None]]

RING_SECONDS = 60.0
MOST_SECONDS = 7200.0
HEARD_AFTER = 0.06  # phone-to-app.events.jsonl: so long after the caller hung up the other leg was over


async def connect(line: ActiveLeg, action: Mapping[str, Any], run: Run) -> Ncco | None:
    """Ring the endpoint for *line*; the NCCO that replaces the rest, or None to go on with it.

    *run* runs the NCCO that the callee hears before the two are put together (`onAnswer`).
    """
    board = line.board
    endpoint = action["endpoint"][0]
    if not board.may_call():
        board.fault(line.leg, TOO_MANY_CALLS)
        return None
    name = name_of(endpoint)
    board.note(line.leg, "ring", endpoint=endpoint["type"], to=name)
    far_end = line.scenario.callee(name)
    callee: ActiveLeg | None = None
    try:
        await board.clock.sleep(far_end.dialled_in)
        leg = Leg(
            uuid=board.ids.dashed(),
            direction="outbound",
            endpoint=endpoint["type"],
            from_=_from(line, action),
            to=name,
            far_end=far_end,
            conversation=line.leg.conversation,
            events=Target.of(action) or line.leg.events,
            headers=dict(endpoint.get("headers") or {}) | (endpoint.get("standardHeaders") or {}),
        )
        callee = ActiveLeg(board, leg, line.scenario, run=line.run)
        outcome = await dialling.dial(callee, action.get("timeout", RING_SECONDS))
        if outcome == "over":
            return None
        if outcome != "answered":
            return await _failed(callee, outcome, synchronous=action.get("eventType") == "synchronous")
        callee.answer()
        if digits := endpoint.get("dtmfAnswer"):
            board.note(leg, "dtmf", digits=digits)
        await _before_joining(callee, endpoint, run)
        if not callee.over.is_set() and leg.conversation is line.leg.conversation:
            line.answer()
            await _together(callee, action)
    except asyncio.CancelledError:
        if callee:
            _left(line, callee)
        raise
    return callee.next_script


def name_of(endpoint: Mapping[str, Any]) -> str:
    """Whom an endpoint names: a number, a user, an address or an extension."""
    for field in ("number", "user", "uri", "extension"):
        if endpoint.get(field) and not (field == "user" and endpoint["type"] == "sip"):
            return str(endpoint[field])
    return f"{endpoint.get('user')}@{endpoint.get('domain')}"


def _from(line: ActiveLeg, action: Mapping[str, Any]) -> str:
    """Who is shown to call. The logs: `Unknown` where no number is given, an app caller's name where one calls."""
    if action.get("from"):
        return str(action["from"])
    any_number = line.board.ids.one_of(line.board.application.numbers) if action.get("randomFromNumber") else None
    return any_number or line.leg.from_user or "Unknown"


async def _failed(callee: ActiveLeg, outcome: str, *, synchronous: bool) -> Ncco | None:
    body = callee.fail(outcome, by=dialling.by(outcome))
    replaced = None
    if synchronous:  # `completed` comes only once the action is over (help article 360057200092)
        replaced = await callee.board.next_for(callee.leg, body)
    else:
        callee.board.tell(callee.leg, body)
    callee.finish()
    return replaced


async def _before_joining(callee: ActiveLeg, endpoint: Mapping[str, Any], run: Run) -> None:
    on_answer = endpoint.get("onAnswer")
    if not on_answer:
        return
    here = callee.leg.conversation
    target = Target(on_answer["url"], "GET", socket_timeout=ANSWER_SECONDS)
    ncco = await callee.board.script_for(callee.leg, target, today=callee.today)
    if ncco and callee.leg.conversation is here:  # else it was put through to elsewhere meanwhile
        callee.script = callee.do(run(callee, ncco))
        await asyncio.wait((callee.script,))


async def _together(callee: ActiveLeg, action: Mapping[str, Any]) -> None:
    """Until one of them goes, or the time is over."""
    parted = callee.parted
    callee.idle = True
    found = dialling.Detection.of(action.get("machineDetection"), action.get("advancedMachineDetection"))
    if found:  # whether the reply is read for a leg that `connect` made is not documented
        callee.do(dialling.detect(callee, found))
    if await callee.board.clock.sleep_unless(parted, action.get("limit", MOST_SECONDS)):
        callee.end("platform", "the limit of the connect action")


def _left(line: ActiveLeg, callee: ActiveLeg) -> None:
    """The caller is gone, was put through to elsewhere, or was given another script."""
    if callee.over.is_set() or line.board.stopped:
        return
    if callee.leg.failure:
        callee.finish()
    elif not callee.leg.answered:
        callee.end("platform", "the caller gave up")
    elif line.over.is_set():
        line.board.spawn(_end_soon(callee, "the caller hung up"))
    elif line.leg.conversation is callee.leg.conversation:
        line.board.spawn(_end_soon(callee, "the caller does something else"))
    elif not callee.idle:  # what it heard before the two were to be put together is over
        callee.left_alone()


async def _end_soon(callee: ActiveLeg, why: str) -> None:
    await callee.board.clock.sleep(HEARD_AFTER)
    callee.end("platform", why)
