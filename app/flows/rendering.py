"""One step of a flow for one call: its holes filled, its addresses made, and judged before it leaves the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from app.flows import order, sdk, table
from app.flows.book import MOST_ACTIONS, Action, Flow, Go, RenderFault, Scope
from app.flows.trail import Trail
from app.located import field

ADDRESS: Final = "/voice/flows/{flow}/{step}?state={state}"

Ncco = list[dict[str, Any]]
Close = Callable[[Trail], str]


class Addresses:
    """Where a call that has come as far as *trail* asks for steps of *flow*: under *base*, our own address."""

    def __init__(self, base: str, flow: str, trail: Trail, close: Close) -> None:
        self._base, self._flow, self._trail, self._close = base, flow, trail, close
        self._closed: dict[bool, str] = {}

    def of(self, step: str, enter: bool) -> str:
        """The address of *step*; *enter*: to get the step itself, not what comes after it."""
        if enter not in self._closed:
            self._closed[enter] = self._close(replace(self._trail, enter=enter))
        return self._base + ADDRESS.format(flow=self._flow, step=step, state=self._closed[enter])


def entered(flow: Flow, step: str, trail: Trail) -> tuple[list[tuple[str, Action]], Trail]:
    """The actions of *step* and of all it goes on to, each with the step it is of; and the trail with those in it.

    Raises RenderFault where the call has been there too often.
    """
    actions: list[tuple[str, Action]] = []
    visits: Mapping[str, int] = trail.visits

    def add(name: str) -> None:
        nonlocal visits
        visits = replace(trail, visits=visits).entered(name)
        for one in flow.steps[name].actions:
            if isinstance(one, Go):
                add(one.step)
            else:
                actions.append((name, one))

    add(step)
    return actions, replace(trail, visits=visits)


def rendered(flow: Flow, step: str, trail: Trail, *, names: Mapping[str, Any], base: str, close: Close) -> Ncco:
    """The NCCO of *step*. *names* are those of the scope that every step has. Raises RenderFault."""
    actions, after = entered(flow, step, trail)
    addresses = Addresses(base, flow.name, after, close)
    scopes = {name: Scope({**names, "attempt": after.visits[name]}, addresses.of) for name, _ in actions}
    return judged([dict(_filled(action.options, scopes[name])) for name, action in actions], base)


def judged(ncco: Any, base: str) -> Ncco:
    """*ncco* as it is served. Raises RenderFault if Vonage would refuse it; *base* is our own address."""
    wrong = [*table.faults(ncco, own=base)] or [*order.faults(ncco)]
    if not wrong and len(ncco) > MOST_ACTIONS:
        raise RenderFault(f"it has {len(ncco)} actions, but must have {MOST_ACTIONS} at most")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        path, words = wrong[0]
        raise RenderFault(f"{field(path) or 'the NCCO'}: {words}{more}")
    return sdk.build(ncco)


def _filled(options: Mapping[str, Any], scope: Scope) -> Iterator[tuple[str, Any]]:
    """*options* with values for their holes; one that comes out as nothing is left out."""
    for name, option in options.items():
        value = _value(option, scope)
        if value is not None:
            yield name, value


def _value(value: Any, scope: Scope) -> Any:
    if isinstance(value, dict):
        return dict(_filled(value, scope))
    if isinstance(value, list):
        return [_value(item, scope) for item in value]
    return value.fill(scope) if hasattr(value, "fill") else value
