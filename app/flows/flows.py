"""What a call is told, from the flows file: the first step when it comes, the next one by what came back.

Nothing in here raises: whatever goes wrong, the caller hears the last resort, and it is told why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from traceback import format_tb
from typing import Any, Final

from app.flows import routing
from app.flows.call_state import CallState, StateCodec
from app.flows.expressions.static_check import INPUT
from app.flows.model import NAME, Flow, RenderFault, Route
from app.flows.python_actions import NoActions, actions_in
from app.flows.python_flows import PythonFlowFault, PythonFlows
from app.flows.reload import FlowReloader
from app.flows.rendering import Addresses, Ncco, judged, rendered
from app.flows.reply import LAST_RESORT, Reply
from app.flows.request import START, Headers, Request, Result
from app.flows.transitions import target

log = logging.getLogger(__name__)

MOST_WORDS: Final = 500  # characters of a fault, which stays with the call
MOST_FRAMES: Final = 8  # of a traceback
NOTHING_YET: Final = {"digits": "", "speech": ""}  # what came back from an input that this call has not come to
CONTEXT: Final = ("from", "to", "from_user", "uuid", "conversation_uuid", "endpoint_type", "custom_data", "headers")
LARGE: Final = frozenset({"custom_data", "headers"})


class Flows:
    """The call flows of this server.

    Args:
        shelf: Where the flows file is, as it was last found right.
        settings: What expressions have under `settings`, by the names of the environment.
        base: The address at which Vonage reaches this server.
        secret: Seals what a call takes along; the same in all workers.
    """

    def __init__(self, reloader: FlowReloader, *, settings: Mapping[str, Any], base: str, secret: str) -> None:
        self.reloader = reloader
        self.python = PythonFlows()
        self._settings = settings
        self._base = base
        self._seal = StateCodec(secret)

    def chosen(self, request: Request, at: datetime) -> Route:
        """The route that *request* takes at the time *at*. Raises RenderFault if there is none."""
        if self.reloader.flow_file is None:
            raise RenderFault("there is no flows file that can be used")
        if (route := routing.choose(self.reloader.flow_file, request, at)) is None:
            raise RenderFault("no route of the flows file is for this call")
        return route

    def answer(self, request: Request, at: datetime) -> Reply:
        """What to do with a call that comes."""

        def go() -> Reply | None:
            flow = self._flow(self.chosen(request, at).flow)
            return self._step(flow, flow.start or START, self._begun(flow, request), None)

        return _whatever_happens(go)

    def enter(self, flow: str, step: str, state: str | None, request: Request) -> Reply | None:
        """The step *step* itself, for whoever asks for it as for an answer; None if *state* is of another question."""

        def go() -> Reply | None:
            asked = self._flow(flow)
            call_state = self._begun(asked, request) if state is None else self._seal.opened(state)
            mine = (
                state is None or call_state.enter or asked.python is not None
            )  # a function sees itself what it is asked
            return self._step(asked, step, call_state, None) if mine else None

        return _whatever_happens(go)

    def follow(self, flow: str, step: str, state: str | None, request: Request, result: Result) -> Reply | None:
        """What comes after the step *step*, by what came back from it. None: the script goes on."""

        def go() -> Reply | None:
            asked = self._flow(flow)
            if result.kind == "detection" and (state is not None or asked.python is None):
                # With a state it is about somebody whom a `connect` called; without one, about the call itself.
                return self._detected(asked, request, result) if state is None else None
            call_state = self._begun(asked, request) if state is None else self._seal.opened(state)
            call_state = replace(call_state, inputs={**call_state.inputs, **_kept(asked, step, result)}, enter=False)
            if asked.python is not None:
                return self._step(asked, step, call_state, result)
            if step not in asked.steps:
                raise RenderFault(f"flow {flow} has no step {step}: was it taken out while the call was on?")
            leads = asked.steps[step].transitions.get(result.kind)
            if leads is None and (state is None or result.kind in asked.steps[step].kinds):
                return None  # nothing leads on; without a state the address is where all events of the call go
            if leads is None:
                raise RenderFault(f"step {step} of flow {flow} has no {result.kind} that leads on: was it taken out?")
            found = target(leads, result, step=step, visits=call_state.visits.get(step, 1))
            return None if found is None else self._step(asked, found, call_state, result)

        return _whatever_happens(go)

    def detected(self, request: Request, result: Result, at: datetime) -> Reply | None:
        """What to do once it is known who or what picked up a call of ours. None: the script goes on."""

        def go() -> Reply | None:
            if (
                self.reloader.flow_file is None
                or (route := routing.choose(self.reloader.flow_file, request, at)) is None
            ):
                return None
            return self._detected(self._flow(route.flow), request, result)

        return _whatever_happens(go)

    def _detected(self, flow: Flow, request: Request, result: Result) -> Reply | None:
        step = flow.detected.get(result.status or "")
        return None if step is None else self._step(flow, step, self._begun(flow, request), result)

    def _flow(self, name: str) -> Flow:
        flow = self.reloader.flow_file.flows.get(name) if self.reloader.flow_file else None
        if flow is None:
            raise RenderFault(f"there is no flow {name}: was it taken out while the call was on?")
        return flow

    def _begun(self, flow: Flow, request: Request) -> CallState:
        """The trail of a call that comes to *flow* now: who calls whom, and of what may be large what the flow uses."""
        told = {name: getattr(request, "from_" if name == "from" else name) for name in CONTEXT}
        whole = {name for name in CONTEXT if name not in LARGE or flow.python or (name,) in flow.uses}
        known = {name: value for name, value in told.items() if value and name in whole}
        for name in LARGE - whole:
            items = {use[1] for use in flow.uses if use[0] == name and len(use) > 1}
            if found := {item: told[name][item] for item in items if item in told[name]}:
                known[name] = found
        return CallState(known=known)

    def _step(self, flow: Flow, step: str, call_state: CallState, result: Result | None) -> Reply | None:
        try:
            give = self._written if flow.python is not None else self._rendered
            ncco = give(flow, step, call_state, result)
            return None if ncco is None else Reply(flow.name, ncco, step, flow.version)
        except (RenderFault, PythonFlowFault) as fault:
            raise RenderFault(f"flow {flow.name}, step {step}: {fault}") from fault

    def _rendered(self, flow: Flow, step: str, call_state: CallState, _: Result | None) -> Ncco:
        """What the flows file says for *step*."""
        if step not in flow.steps:
            raise RenderFault("there is no such step: was it taken out while the call was on?")
        inputs = {**dict.fromkeys(flow.inputs, NOTHING_YET), **call_state.inputs}
        names = {"custom_data": {}, **call_state.known, "inputs": inputs, "settings": self._settings}
        names["headers"] = Headers(call_state.known.get("headers", {}))
        return rendered(flow, step, call_state, names=names, base=self._base, close=self._seal.closed)

    def _written(self, flow: Flow, step: str, call_state: CallState, result: Result | None) -> Ncco | None:
        """What the Python function of *flow* gives; None, which lets the script go on, only if there is one."""
        after = replace(call_state, visits=call_state.entered(step))
        addresses = Addresses(self._base, flow.name, after, self._seal.closed)

        def url(name: str) -> str:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a step: letters, digits, - and _")
            return addresses.of(name, False)

        known = {("from_" if name == "from" else name): value for name, value in call_state.known.items()}
        known["headers"] = Headers(call_state.known.get("headers", {}))
        inputs = {name: Result(kind="input", **one) for name, one in call_state.inputs.items()}
        request = Request(**known, step=step, attempt=after.visits[step], inputs=inputs, result=result, url=url)
        assert flow.python is not None  # noqa: S101 - who calls this has looked
        try:
            given = self.python.run(flow.python, request, actions_in)
        except PythonFlowFault as fault:
            if isinstance(fault.__cause__, NoActions):
                raise RenderFault(str(fault.__cause__)) from fault.__cause__
            raise
        if given is None and result is None:
            raise RenderFault("it returned None, but must return a list of actions")
        return None if given is None else judged(given, self._base)


def _kept(flow: Flow, step: str, result: Result) -> dict[str, dict[str, Any]]:
    """What a call takes along of what came back from *step*, if *flow* may ever use it."""
    used = flow.python is not None or step in flow.inputs or ("inputs",) in flow.uses
    if not used or result.kind != "input":
        return {}
    return {step: {name: value for name in INPUT if (value := getattr(result, name)) is not None}}


def _whatever_happens(go: Callable[[], Any]) -> Any:
    """What *go* gives; the last resort, and why, where it fails."""
    try:
        return go()
    except RenderFault as fault:
        words = str(fault)[:MOST_WORDS]
        log.warning("the last resort was served: %s%s", words, _frames(fault))
    except Exception as error:
        log.exception("the last resort was served: a call flow failed in a way nobody thought of")
        words = f"{type(error).__name__}: {error}"[:MOST_WORDS]
    return LAST_RESORT._replace(fault=words)


def _frames(fault: RenderFault) -> str:
    """Where a flow written in Python raised what it raised; without its words, which have been said."""
    raised = fault.__cause__.__cause__ if isinstance(fault.__cause__, PythonFlowFault) else None
    return "\n" + "".join(format_tb(raised.__traceback__)[-MOST_FRAMES:]) if raised is not None else ""
