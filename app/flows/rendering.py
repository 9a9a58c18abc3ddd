"""One step of a flow, rendered for one call: placeholders filled, URLs made, the NCCO checked before it is served."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from app.flows import schema, sequence, user_calls, voicemail
from app.flows.call_state import CallState, visit
from app.flows.meant import unmarked
from app.flows.model import MOST_ACTIONS, STEPS_AT, USER_CALLS_AT, VOICEMAILS_AT, Action, Flow, RenderFault, Scope
from app.flows.request import START
from app.flows.user_calls import UserCall
from vonage_simulator import json_shape
from vonage_simulator.json_shape import Found
from vonage_simulator.yaml_source import Steps, field

MOST_FAULTS: Final = 3  # in a message
HOW_RIGHT: Final = "`next`, or `request.url` in Python, make it right"
STEP_PATH: Final = re.compile(STEPS_AT + r"([\w-]+)/([\w-]+)\Z", re.ASCII)
STATE: Final = "state"  # the parameter of an address that holds the state of the call
STATE_OF_URL: Final = "?state={state}"
VOICEMAIL_URL: Final = VOICEMAILS_AT + STATE_OF_URL
USER_CALL_URL: Final = USER_CALLS_AT + STATE_OF_URL

Ncco = list[dict[str, Any]]
Seal = Callable[[CallState], str]


def step_url(base: str, flow: str, step: str) -> str:
    """The URL of a step of *flow* for a leg that has no state yet; *base* is this server's own URL."""
    return f"{base}{STEPS_AT}{flow}/{step}"


def step_urls(base: str, flow: str, state: CallState, seal: Seal) -> Callable[[str, bool], str]:
    """The function that gives the URL of a step of *flow*, for a call in this state; *base* is this server's own URL.

    Its second argument: whether the URL is for the step itself, not for what comes after it.
    """
    sealed = cache(lambda enter: seal(replace(state, enter=enter)))
    return lambda step, enter: step_url(base, flow, step) + STATE_OF_URL.format(state=sealed(enter))


def voicemail_urls(base: str, state: CallState, seal: Seal) -> Callable[[str], str]:
    """The function that gives where a message for a user is reported, for a call in this state."""
    return lambda user: base + VOICEMAIL_URL.format(state=seal(voicemail.state_for(user, state)))


def user_call_url(base: str, call: UserCall, seal: Seal) -> str:
    """Where the user's leg of *call* gets what it runs. Raises RenderFault."""
    return base + USER_CALL_URL.format(state=seal(user_calls.state_for(call)))


class StepAddress(NamedTuple):
    """What the URL of a step names, and the parameters behind it: `state` is that of the call."""

    flow: str
    step: str
    parameters: Mapping[str, str]


def step_at(url: str) -> StepAddress | None:
    """What *url* names; None if it is not the URL of a step, as `step_urls` makes it."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if found := STEP_PATH.search(parts.path):
            return StepAddress(found[1], found[2], dict(parse_qsl(parts.query)))
    return None


@dataclass(frozen=True, slots=True)
class Entry:
    """An action of a step of a flow, and the inputs that the flow has. No action: the flow is in Python."""

    flow: Flow
    step: str
    action: Action | None
    inputs: Mapping[str, Mapping[str, Any]]


def entered(
    flow: Flow, step: str, state: CallState, flows: Mapping[str, Flow] | None = None
) -> tuple[list[Entry], CallState]:
    """The actions of *step* and of all it goes to, in *flows*, too; and the state with those entered.

    A flow begins anew when it is entered: its steps have no inputs yet. Raises RenderFault if the call loops.
    """
    entries: list[Entry] = []

    def add(flow: Flow, name: str) -> None:
        nonlocal state
        state = replace(state, visits=state.entered(flow.name, name))
        inputs = state.inputs
        if flow.python is not None:
            entries.append(Entry(flow, name, None, inputs))
            return
        for action in flow.steps[name].actions:
            if isinstance(action, Action):
                entries.append(Entry(flow, name, action, inputs))
            elif action.flow:
                other = (flows or {})[action.flow]
                own = {step: result for step, result in state.inputs.items() if step not in other.steps}
                state = replace(state, inputs=own)
                add(other, other.start or START)
            else:
                add(flow, action.step)

    add(flow, step)
    return entries, state


def rendered(
    flow: Flow,
    step: str,
    state: CallState,
    *,
    flows: Mapping[str, Flow],
    names: Callable[[Entry], Mapping[str, Any]],
    called: Callable[[Entry, CallState], Ncco],
    base: str,
    seal: Seal,
) -> tuple[Ncco, Entry | None]:
    """The NCCO of *step*, with those of *flows* that it goes to; and its last action, where the call is then.

    *names* gives what is in the scope of an action, *called* the actions of a flow in Python. Raises RenderFault.
    """
    entries, after = entered(flow, step, state, flows)
    voicemail_url = voicemail_urls(base, state, seal)
    ncco: Ncco = []
    meant: set[Steps] = set()
    for entry in entries:
        if entry.action is None:
            actions, marks = unmarked(called(entry, after))
        else:
            url = step_urls(base, entry.flow.name, after, seal)
            attempt = after.visits[visit(entry.flow.name, entry.step)]
            scope = Scope({**names(entry), "attempt": attempt}, url, voicemail_url)
            played = filter(None, (entry.action.greeting, entry.action.options))
            actions = [_filled(options, scope) for options in played]
            marks = frozenset((0, *path) for path in entry.action.meant)
        meant |= {(len(ncco) + int(path[0]), *path[1:]) for path in marks}
        ncco += actions
    return checked(ncco, base, meant), entries[-1] if entries else None


def checked(ncco: Ncco, base: str, meant: Collection[Steps] = ()) -> Ncco:
    """*ncco* if Vonage would run it, else raises RenderFault. *base* is this server's own URL.

    What is at *meant* is served as it is: see `app.flows.meant`.
    """
    wrong = [*schema.faults(ncco, own=base, meant=meant)]
    wrong = wrong or [*sequence.faults(ncco), *_urls_without_state(ncco, base)]
    if wrong:
        more = f" (and {len(wrong) - MOST_FAULTS} more)" if len(wrong) > MOST_FAULTS else ""
        raise RenderFault(
            " ".join(f"{field(path) or 'the NCCO'}: {words}" for path, words in wrong[:MOST_FAULTS]) + more
        )
    if len(ncco) > MOST_ACTIONS:
        raise RenderFault(f"it has {len(ncco)} actions, but must have {MOST_ACTIONS} at most")
    return ncco


def _urls_without_state(ncco: Ncco, base: str) -> Iterator[Found]:
    """URLs of our steps without the state of the call: there it would begin again, without end."""
    for index, action in enumerate(ncco):
        urls = action.get("eventUrl")
        for url in urls if isinstance(urls, list) else ():
            if isinstance(url, str) and url.startswith(base + STEPS_AT) and "?state=" not in url:
                words = f"It is the address of a step without the state of the call: {HOW_RIGHT}."
                yield (index, "eventUrl", 0), words


def _filled(value: Any, scope: Scope, *, keep: bool = False) -> Any:
    """*value* with its placeholders filled. An option that comes out as none is left out, but not in a payload."""
    if isinstance(value, Mapping):
        made = {name: _filled(item, scope, keep=keep or name == "payload") for name, item in value.items()}
        return {name: now for name, now in made.items() if now is not None or keep or value[name] is None}
    if isinstance(value, list):
        return [_filled(item, scope, keep=keep) for item in value]
    return value.fill(scope) if json_shape.later(value) else value
