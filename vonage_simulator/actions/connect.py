"""`connect`: https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import TOO_MANY_CALLS, Action, Ncco
from vonage_simulator.ledger import ANSWER_SECONDS, Conversation, Leg, Target
from vonage_simulator.machine_detection import Detection, detect

RunNcco = Callable[[ActiveLeg, Ncco], Coroutine[Any, Any, None]]

RING_SECONDS = 60.0
MOST_SECONDS = 7200.0
ENDS_AFTER = 0.06  # phone-to-app.events.jsonl: seconds from the caller's hangup until the other leg was over


async def run(caller: ActiveLeg, action: Action, run_ncco: RunNcco) -> Ncco | None:
    """Ring the endpoint, connect both legs, and go on once they have parted.

    *run_ncco* runs the NCCO that the callee hears before (`onAnswer`). Returns the NCCO in the reply to a failure of a
    synchronous connect, or to a websocket's `disconnected`.
    """
    context = caller.context
    endpoint = action["endpoint"][0]
    if not context.may_call():
        context.send_error(caller.leg, TOO_MANY_CALLS)
        return None
    name = name_of(endpoint)
    context.trace(caller.leg, "ring", endpoint=endpoint["type"], to=name)
    far_end = context.callee(caller.scenario, endpoint["type"], name)
    callee, conversation = None, caller.leg.conversation
    try:
        await context.clock.sleep(far_end.dialled_in)
        leg = Leg(
            uuid=context.ids.dashed(),
            direction="outbound",
            endpoint=endpoint["type"],
            from_=_caller_id(caller, action),
            to=name,
            far_end=far_end,
            conversation=conversation,
            events=Target.of(action) or caller.leg.events,
            headers=dict(endpoint.get("headers") or {}) | (endpoint.get("standardHeaders") or {}),
        )
        callee = ActiveLeg(context, caller.active_legs, leg, caller.scenario, run=caller.run)
        outcome = await callee.ring(action.get("timeout", RING_SECONDS))
        if outcome == "over":
            return None
        if outcome != "answered":
            return await _failed(callee, outcome, synchronous=action.get("eventType") == "synchronous")
        callee.answer()
        if digits := endpoint.get("dtmfAnswer"):
            context.trace(leg, "dtmf", digits=digits)
        await _on_answer(callee, endpoint, run_ncco)
        if not callee.over.is_set() and leg.conversation is caller.leg.conversation:
            caller.answer()
            await _together(callee, action)
            if not callee.over.is_set():
                await _callee_left(caller)
    except asyncio.CancelledError:
        if callee:
            _caller_left(caller, callee, conversation)
        raise
    return callee.next_script


def name_of(endpoint: Mapping[str, Any]) -> str:
    """The number, user, address or extension of an endpoint."""
    for field in ("number", "user", "uri", "extension"):
        if endpoint.get(field) and not (field == "user" and endpoint["type"] == "sip"):
            return str(endpoint[field])
    return f"{endpoint.get('user')}@{endpoint.get('domain')}"


def _caller_id(caller: ActiveLeg, action: Action) -> str:
    """As in Vonage's logs: `Unknown` without a number, an app caller's name if an app user calls."""
    if action.get("from"):
        return str(action["from"])
    numbers = caller.context.application.numbers if action.get("randomFromNumber") else ()
    return caller.context.ids.one_of(numbers) or caller.leg.from_user or "Unknown"


async def _failed(callee: ActiveLeg, outcome: str, *, synchronous: bool) -> Ncco | None:
    body, reply = callee.fail(outcome), None
    if synchronous:  # `completed` comes only once the action is over (help article 360057200092)
        reply = await callee.context.send_for_ncco(callee.leg, body)
    else:
        callee.context.send(callee.leg, body)
    callee.finish()
    return reply


async def _on_answer(callee: ActiveLeg, endpoint: Mapping[str, Any], run_ncco: RunNcco) -> None:
    on_answer = endpoint.get("onAnswer")
    if not on_answer:
        return
    conversation = callee.leg.conversation
    target = Target(on_answer["url"], "GET", socket_timeout=ANSWER_SECONDS)
    ncco = await callee.context.request_ncco(callee.leg, target, today=callee.today)
    if ncco and callee.leg.conversation is conversation:  # else it was transferred meanwhile
        callee.script = callee.spawn(run_ncco(callee, ncco))
        await asyncio.wait((callee.script,))


async def _together(callee: ActiveLeg, action: Action) -> None:
    """Wait until one of them goes, or the `limit`."""
    parted = callee.parted
    callee.idle = True
    detection = Detection.of(action.get("machineDetection"), action.get("advancedMachineDetection"))
    if detection:  # whether the reply is read for a leg that `connect` made is not documented
        callee.spawn(detect(callee, detection))
    if await callee.context.clock.sleep_unless(parted, action.get("limit", MOST_SECONDS)):
        callee.end("platform", "the limit of the connect action")


async def _callee_left(caller: ActiveLeg) -> None:
    """The callee was transferred away."""
    if caller.stays_behind and len(caller.leg.conversation.present) == 1:
        caller.idle = True
        caller.left_alone()
        try:
            await caller.over.wait()
        finally:  # or it has another script
            caller.idle = False
            caller.in_company()
    await caller.context.clock.sleep(caller.context.behaviour.left_behind_seconds)


def _caller_left(caller: ActiveLeg, callee: ActiveLeg, conversation: Conversation) -> None:
    """The caller hung up, was transferred, or was given another script. *conversation*: where they were."""
    context = caller.context
    if callee.over.is_set() or context.stopped:
        return
    if callee.leg.failure:
        callee.finish()
    elif not callee.leg.answered:
        callee.end("platform", "the caller gave up")
    elif caller.over.is_set():
        context.spawn(callee.end_after(ENDS_AFTER, "platform", "the caller hung up"))
    elif caller.leg.conversation is callee.leg.conversation:
        context.spawn(callee.end_after(ENDS_AFTER, "platform", "the caller does something else"))
    elif callee.leg.conversation is conversation:
        callee.left_behind()
