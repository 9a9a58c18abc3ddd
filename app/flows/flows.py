"""Answers calls from the flows file: the first step when a call comes in, then the next one by each result.

Nothing in here raises: if anything fails, the caller gets the last resort, and the reply says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from traceback import format_tb
from typing import Any, Final, ParamSpec, TypeVar, cast

from app.domain.events import Voicemail
from app.flows import routing
from app.flows.call_state import CallState, StateCodec, visit
from app.flows.expressions.static_check import CONTEXT, INPUT
from app.flows.hours import is_open
from app.flows.meant import unmarked
from app.flows.model import LONGEST_USER, NAME, Flow, FlowFile, RenderFault, Route, is_user
from app.flows.python_actions import NoActions, actions_in
from app.flows.python_flows import Function, PythonFlowFault, PythonFlows
from app.flows.reload import NO_FLOWS, FlowReloader
from app.flows.rendering import Entry, Ncco, checked, rendered, step_url, step_urls, user_call_url, voicemail_urls
from app.flows.reply import LAST_RESORT, Reply
from app.flows.request import START, Headers, Request, Result
from app.flows.transitions import target
from app.flows.user_calls import UserCall, begun_by
from app.flows.voicemail import left_by
from vonage_simulator.yaml_source import Fault

log = logging.getLogger(__name__)

LONGEST_FAULT: Final = 500  # characters; it is kept with the call
MOST_FRAMES: Final = 8  # of a traceback
NO_RESULT: Final = {"digits": "", "speech": ""}  # of an input that the call has not reached
LARGE: Final = frozenset({"custom_data", "headers"})

Arguments = ParamSpec("Arguments")
AReply = TypeVar("AReply", Reply, Reply | None)


def _or_last_resort(reply: Callable[Arguments, AReply]) -> Callable[Arguments, AReply]:
    """*reply*, but if it fails it returns the last resort, and why."""

    @wraps(reply)
    def safe(*args: Arguments.args, **kwargs: Arguments.kwargs) -> AReply:
        try:
            return reply(*args, **kwargs)
        except RenderFault as fault:
            words = str(fault)[:LONGEST_FAULT]
            log.warning("the last resort was served: %s%s", words, _frames(fault))
        except Exception as error:
            log.exception("the last resort was served: a call flow failed unexpectedly")
            words = f"{type(error).__name__}: {error}"[:LONGEST_FAULT]
        return replace(LAST_RESORT, fault=words)

    return safe


class Flows:
    """The call flows of this server.

    Args:
        reloader: Keeps the flows file loaded.
        settings: What expressions have under `settings`, by the names of the environment.
        base: The URL at which Vonage reaches this server.
        secret: Seals the state of a call; the same in all workers.
    """

    name = "flows"

    def __init__(self, reloader: FlowReloader, *, settings: Mapping[str, Any], base: str, secret: str) -> None:
        self.reloader = reloader
        self.python = PythonFlows()
        self._settings = settings
        self._base = base
        self._codec = StateCodec(secret)

    # A part of the server.

    def start(self) -> None:
        """Load the file, and load it again whenever it changes."""
        self.reloader.start()

    def stop(self) -> None:
        """Watch the file no more."""
        self.reloader.stop()

    def ping(self) -> str | None:
        """Why flows are degraded; None if they are well."""
        if self.flow_file is None:
            return "no flows file could be loaded"
        if self.faults:
            return f"the flows file has {len(self.faults)} fault{'s' * (len(self.faults) > 1)}"
        return "Python flows are refused: too many did not return" if self.python.refuses else None

    @property
    def alarm(self) -> str | None:
        """What must be said loudly: no flow can be used. None if the server has some."""
        return None if self.flow_file else NO_FLOWS

    @property
    def file(self) -> Path:
        return self.reloader.file

    @property
    def flow_file(self) -> FlowFile | None:
        """The flows file as it was last without a fault; None if it never was."""
        return self.reloader.flow_file

    def rooms_in(self, flow: str) -> bool:
        """Whether calls of users are rooms in *flow*, where that is possible; it may be a name of no flow."""
        if self.flow_file is None or isinstance(self.flow_file.rooms, bool):
            return self.flow_file is not None and bool(self.flow_file.rooms)
        return flow in self.flow_file.rooms or flow not in self.flow_file.flows

    @property
    def version(self) -> str | None:
        return self.flow_file.version if self.flow_file else None

    @property
    def loaded_at(self) -> datetime | None:
        """When the file was last loaded without a fault."""
        return self.flow_file.loaded if self.flow_file else None

    @property
    def read_at(self) -> datetime | None:
        """When the file was last read, with faults or without."""
        return self.reloader.read_at

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the file as it is now."""
        return self.reloader.faults

    @property
    def python_threads_left_behind(self) -> int:
        return self.python.left_behind

    # Answers.

    def route(self, request: Request, at: datetime) -> Route:
        """The route that *request* takes at the time *at*. Raises RenderFault if there is none."""
        if (flow_file := self.flow_file) is None:
            raise RenderFault("there is no flows file that can be used")
        if (route := routing.choose(flow_file, request, at)) is None:
            raise RenderFault("no route of the flows file is for this call")
        return route

    @_or_last_resort
    def answer(self, request: Request, at: datetime) -> Reply:
        """The reply to an incoming call."""
        flow = self._flow(self.route(request, at).flow)
        return self._step(flow, flow.start or START, self._begun(flow, request), None, at) or LAST_RESORT

    @_or_last_resort
    def enter(
        self, flow: str, step: str, state: str | None, request: Request, at: datetime | None = None
    ) -> Reply | None:
        """The step *step* itself, for a request like that of an answer webhook; None if *state* is for a result.

        *at* is the time by which hours are open; None: now.
        """
        known = self._flow(flow)
        call_state = self._begun(known, request) if state is None else self._codec.unseal(state)
        enters = state is None or call_state.enter or known.python is not None  # a function gets both
        return self._step(known, step, call_state, None, at) if enters else None

    @_or_last_resort
    def follow(
        self, flow: str, step: str, state: str | None, request: Request, result: Result, at: datetime | None = None
    ) -> Reply | None:
        """What comes after the step *step*, by its *result*. None: the script goes on. *at* as in `enter`."""
        known = self._flow(flow)
        if result.kind == "detection" and (state is not None or known.python is None):
            # With a state it is about a callee of `connect`; without, about the call itself.
            return self._detected(known, request, result, at) if state is None else None
        call_state = self._begun(known, request) if state is None else self._codec.unseal(state)
        inputs = {**call_state.inputs, **_kept(self._reached(known), step, result)}
        call_state = replace(call_state, inputs=inputs, enter=False)
        if known.python is not None:
            return self._step(known, step, call_state, result, at)
        if step not in known.steps:
            raise RenderFault(f"flow {flow} has no step {step}: was it removed during the call?")
        leads = known.steps[step].transitions.get(result.kind)
        if leads is None and (state is None or result.kind in known.steps[step].kinds):
            return None  # nothing leads on; without a state the URL gets all events of the call
        if leads is None:
            raise RenderFault(f"step {step} of flow {flow} has no {result.kind} that leads on: was it removed?")
        found = target(leads, result, step=step, visits=call_state.visits.get(visit(flow, step), 1))
        return None if found is None else self._step(known, found, call_state, result, at)

    def leads(self, flow: str, step: str, state: str, statuses: Iterable[str]) -> list[str]:
        """Those of *statuses* after which the `connect` of *step* leads on to another step. Raises RenderFault."""
        known, call_state = self._flow(flow), self._codec.unseal(state)
        if known.python is not None:  # a function decides when it is called
            return list(statuses)
        leads = known.steps[step].transitions.get("connect") if step in known.steps else None
        if leads is None:
            return []
        visits = call_state.visits.get(visit(flow, step), 1)
        results = {status: Result(kind="connect", status=status) for status in statuses}
        return [status for status, result in results.items() if target(leads, result, step=step, visits=visits)]

    def address_of(self, flow: str, step: str, request: Request | None) -> str:
        """The address at which a leg enters *flow* with *step*: one for each time, if *request* says who it is.

        Else it is for a leg that is only called, and says that by itself. Raises RenderFault.
        """
        if request is None:
            return step_url(self._base, flow, step)
        return step_urls(self._base, flow, self._begun(self._flow(flow), request), self._codec.seal)(step, True)

    def caller_of(self, state: str) -> str | None:
        """The caller's leg in the *state* of a step's address. Raises RenderFault."""
        return self.parties_of(state)[0]

    def parties_of(self, state: str) -> tuple[str | None, str | None]:
        """The caller's leg in the *state* of a step's address and, if a user calls, which. Raises RenderFault."""
        known = self._codec.unseal(state).known
        return known.get("uuid"), known.get("from_user")

    def voicemail_of(self, state: str) -> Voicemail:
        """Whose voicemail a recording is, by the *state* of the address it is reported to. Raises RenderFault."""
        return left_by(self._codec.unseal(state))

    def user_call_url(self, call: UserCall) -> str:
        """Where the user's leg of *call* gets what it runs, once it is answered. Raises RenderFault."""
        return user_call_url(self._base, call, self._codec.seal)

    def user_call_of(self, state: str) -> UserCall:
        """The call that a user began, by the *state* of the address that the user's leg asks. Raises RenderFault."""
        return begun_by(self._codec.unseal(state))

    @_or_last_resort
    def detected(self, request: Request, result: Result, at: datetime) -> Reply | None:
        """The reply once it is known who or what answered a call of ours. None: the script goes on."""
        route = routing.choose(self.flow_file, request, at) if self.flow_file else None
        return self._detected(self._flow(route.flow), request, result, at) if route else None

    def _detected(self, flow: Flow, request: Request, result: Result, at: datetime | None) -> Reply | None:
        step = flow.detected.get(result.sub_state or "") or flow.detected.get(result.status or "")
        return None if step is None else self._step(flow, step, self._begun(flow, request), result, at)

    def _flow(self, name: str) -> Flow:
        flow = self.flow_file.flows.get(name) if self.flow_file else None
        if flow is None:
            raise RenderFault(f"there is no flow {name}: was it removed during the call?")
        return flow

    def _begun(self, flow: Flow, request: Request) -> CallState:
        """The state of a call that begins in *flow*: who calls whom, and of what may be large what the flow uses.

        Or one that it leads to.
        """
        values = {name: getattr(request, "from_" if name == "from" else name) for name in CONTEXT}
        reached = self._reached(flow)
        python, uses = any(each.python for each in reached), {use for each in reached for use in each.uses}
        whole = {name for name in CONTEXT if name not in LARGE or python or (name,) in uses}
        known = {name: value for name, value in values.items() if value and name in whole}
        for name in LARGE - whole:
            items = {use[1] for use in uses if use[0] == name and len(use) > 1}
            if found := {item: values[name][item] for item in items if item in values[name]}:
                known[name] = found
        return CallState(known=known)

    def _reached(self, flow: Flow) -> list[Flow]:
        """*flow*, and those that it leads to."""
        flows = self.flow_file.flows if self.flow_file else {}
        return [flow, *(flows[name] for name in flow.leads_to if name in flows)]

    def _step(
        self, flow: Flow, step: str, call_state: CallState, result: Result | None, at: datetime | None
    ) -> Reply | None:
        try:
            if flow.python is not None:
                after = replace(call_state, visits=call_state.entered(flow.name, step))
                ncco = self._returned(flow, step, after, result)
                if ncco is not None:
                    ncco, meant = unmarked(ncco)
                    checked(ncco, self._base, meant)
            else:
                ncco, last = self._rendered(flow, step, call_state, at or datetime.now(UTC))
                if last and last.flow.name != flow.name:  # it went on to another flow, and is there now
                    return Reply(last.flow.name, ncco, last.step, last.flow.version)
            return None if ncco is None else Reply(flow.name, ncco, step, flow.version)
        except (RenderFault, PythonFlowFault) as fault:
            raise RenderFault(f"flow {flow.name}, step {step}: {fault}") from fault

    def _rendered(self, flow: Flow, step: str, call_state: CallState, at: datetime) -> tuple[Ncco, Entry | None]:
        """The NCCO of *step* by the flows file, and its last action."""
        if step not in flow.steps or self.flow_file is None:
            raise RenderFault("there is no such step: was it removed during the call?")
        opening = self.flow_file.hours

        def names(entry: Entry) -> dict[str, Any]:
            inputs = {**dict.fromkeys(entry.flow.inputs, NO_RESULT), **entry.inputs}
            headers = Headers(call_state.known.get("headers", {}))
            now = {use[1]: is_open(opening[use[1]], at) for use in entry.flow.uses if use[0] == "hours"}
            known = {"custom_data": {}, **call_state.known, "headers": headers}
            return {**known, "inputs": inputs, "settings": self._settings, "hours": now}

        return rendered(
            flow,
            step,
            call_state,
            flows=self.flow_file.flows,
            names=names,
            called=lambda entry, after: self._returned(entry.flow, entry.step, after, None) or [],
            base=self._base,
            seal=self._codec.seal,
        )

    def _returned(self, flow: Flow, step: str, after: CallState, result: Result | None) -> Ncco | None:
        """What the function of *flow* returns; None, with which the script goes on, only for a *result*.

        *after* is the state of the call with *step* entered.
        """
        url_of = step_urls(self._base, flow.name, after, self._codec.seal)
        voicemail_of = voicemail_urls(self._base, after, self._codec.seal)

        def url(name: str) -> str:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a step: letters, digits, - and _")
            return url_of(name, False)

        def voicemail(user: str) -> str:
            if not is_user(user):
                raise ValueError(f"{user!r} is no name of a user: 1 to {LONGEST_USER} printable characters")
            return voicemail_of(user)

        known = {("from_" if name == "from" else name): value for name, value in after.known.items()}
        known["headers"] = Headers(after.known.get("headers", {}))
        inputs = {name: Result(kind="input", **values) for name, values in after.inputs.items()}
        attempt = after.visits[visit(flow.name, step)]
        request = Request(
            **known, step=step, attempt=attempt, inputs=inputs, result=result, url=url, voicemail=voicemail
        )
        try:
            actions: Ncco | None = self.python.run(cast("Function", flow.python), request, actions_in)
        except PythonFlowFault as fault:
            if isinstance(fault.__cause__, NoActions):
                raise RenderFault(str(fault.__cause__)) from fault.__cause__
            raise
        if actions is None and result is None:
            raise RenderFault("it returned None, but must return a list of actions")
        return actions


def _kept(flows: Iterable[Flow], step: str, result: Result) -> dict[str, dict[str, Any]]:
    """What the state keeps of the *result* of *step*, if any of *flows* may ever use it."""
    used = any(flow.python is not None or step in flow.inputs or ("inputs",) in flow.uses for flow in flows)
    if not used or result.kind != "input":
        return {}
    return {step: {name: value for name in INPUT if (value := getattr(result, name)) is not None}}


def _frames(fault: RenderFault) -> str:
    """The traceback of what a flow written in Python raised, without its message, which is in *fault*."""
    raised = fault.__cause__.__cause__ if isinstance(fault.__cause__, PythonFlowFault) else None
    return "\n" + "".join(format_tb(raised.__traceback__)[-MOST_FRAMES:]) if raised is not None else ""
