"""One step of a flow for one call: its holes filled, its addresses made, and judged before it leaves the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from app.flows import schema, sequence
from app.flows.call_state import CallState
from app.flows.model import MOST_ACTIONS, STEPS_AT, Action, Flow, Go, RenderFault, Scope
from app.flows.schema import Wrong
from vonage_simulator import json_shape
from vonage_simulator.yaml_source import field

MOST_TOLD: Final = 3  # faults
HOW_RIGHT: Final = "`next`, or `request.url` in Python, make it right"
ADDRESS: Final = STEPS_AT + "{flow}/{step}?state={state}"

Ncco = list[dict[str, Any]]
Close = Callable[[CallState], str]


class Addresses:
    """Where a call that has come as far as *trail* asks for steps of *flow*: under *base*, our own address."""

    def __init__(self, base: str, flow: str, call_state: CallState, close: Close) -> None:
        self._base, self._flow, self._trail, self._close = base, flow, call_state, close
        self._closed: dict[bool, str] = {}

    def of(self, step: str, enter: bool) -> str:
        """The address of *step*; *enter*: to get the step itself, not what comes after it."""
        if enter not in self._closed:
            self._closed[enter] = self._close(replace(self._trail, enter=enter))
        return self._base + ADDRESS.format(flow=self._flow, step=step, state=self._closed[enter])


def entered(flow: Flow, step: str, call_state: CallState) -> tuple[list[tuple[str, Action]], CallState]:
    """The actions of *step* and of all it goes on to, each with the step it is of; and the trail with those in it.

    Raises RenderFault where the call has been there too often.
    """
    actions: list[tuple[str, Action]] = []

    def add(name: str) -> None:
        nonlocal call_state
        call_state = replace(call_state, visits=call_state.entered(name))
        for one in flow.steps[name].actions:
            if isinstance(one, Go):
                add(one.step)
            else:
                actions.append((name, one))

    add(step)
    return actions, call_state


def rendered(
    flow: Flow, step: str, call_state: CallState, *, names: Mapping[str, Any], base: str, close: Close
) -> Ncco:
    """The NCCO of *step*. *names* are those of the scope that every step has. Raises RenderFault."""
    actions, after = entered(flow, step, call_state)
    addresses = Addresses(base, flow.name, after, close)
    scopes = {name: Scope({**names, "attempt": after.visits[name]}, addresses.of) for name, _ in actions}
    return judged([_value(action.options, scopes[name]) for name, action in actions], base)


def judged(ncco: Any, base: str) -> Ncco:
    """*ncco* as it is served. Raises RenderFault if Vonage would refuse it; *base* is our own address."""
    wrong = [*schema.faults(ncco, own=base)] or [*sequence.faults(ncco), *_bare_steps(ncco, base)]
    if not wrong and len(ncco) > MOST_ACTIONS:
        raise RenderFault(f"it has {len(ncco)} actions, but must have {MOST_ACTIONS} at most")
    if wrong:
        more = f" (and {len(wrong) - MOST_TOLD} more)" if len(wrong) > MOST_TOLD else ""
        told = " ".join(f"{field(path) or 'the NCCO'}: {words}" for path, words in wrong[:MOST_TOLD])
        raise RenderFault(told + more)
    checked: Ncco = ncco
    return checked


def _bare_steps(ncco: Ncco, base: str) -> Iterator[Wrong]:
    """Addresses of steps of ours that do not have what the call takes along: there it would begin anew, without end."""
    for place, action in enumerate(ncco):
        for url in action.get("eventUrl", ()):
            if url.startswith(base + STEPS_AT) and "?state=" not in url:
                words = f"It is the address of a step without what the call takes along: {HOW_RIGHT}."
                yield Wrong((place, "eventUrl", 0), words)


def _value(value: Any, scope: Scope, *, keep: bool = False) -> Any:
    """*value* with what fills its holes. An option whose hole comes to nothing is left out, but not in a payload."""
    if isinstance(value, Mapping):
        made = {name: _value(item, scope, keep=keep or name == "payload") for name, item in value.items()}
        return {name: now for name, now in made.items() if now is not None or keep or value[name] is None}
    if isinstance(value, list):
        return [_value(item, scope, keep=keep) for item in value]
    return value.fill(scope) if json_shape.later(value) else value
