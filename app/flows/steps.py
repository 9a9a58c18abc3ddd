"""One step of a flow, read from the file: its actions, their expressions, and where they lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.flows import schema, ssml
from app.flows.branches import read_branches
from app.flows.expressions.expression import compiled
from app.flows.expressions.fault import ExpressionFault
from app.flows.expressions.static_check import Use
from app.flows.model import STEPS_AT, Action, Go, Next, RenderFault, Step, StepUrl
from app.flows.reader import FlowReader
from vonage_simulator import json_shape, ncco
from vonage_simulator.yaml_source import Steps

ENDS: Final = ("hangup", "hang up", "end", "reject", "stop")
UNKNOWN: Final = StepUrl("", enter=False)  # in place of what has a fault: no further fault of it, and never rendered

# go: its actions follow; notify: goes there in any case; expected: by keys or words; otherwise: silence, else, a
# failure, or any result; exhausted; answer: for the callee.
Way = Literal["go", "notify", "expected", "otherwise", "exhausted", "answer"]


@dataclass(frozen=True, slots=True)
class Link:
    """The action at *index* of a step leads to the step *target*; the file says so at *path*."""

    target: str
    way: Way
    path: Steps
    index: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A step as it was read. Faults within it have been found, faults between it and other steps have not.

    `checked` has the options of each action, by its index, with expressions only where a call is needed to fill them.
    `inputs` are the steps whose input an expression uses, and where; `unreadable` is where no step's name can be read.
    """

    name: str
    path: Steps
    actions: list[Action | Go] = field(default_factory=list)
    checked: dict[int, dict[str, Any]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    inputs: list[tuple[str, Steps]] = field(default_factory=list)
    uses: set[Use] = field(default_factory=set)
    unreadable: list[Steps] = field(default_factory=list)

    @property
    def step(self) -> Step:
        return Step(self.name, tuple(self.actions))


def read(reader: FlowReader, value: Any, path: Steps, name: str) -> Draft:
    """The step *name*, which is the list *value* at *path*."""
    step = _StepReader(reader, Draft(name, path))
    if not isinstance(value, list):
        no = ": an expression cannot replace them" if isinstance(value, str) and "{{" in value else ""
        reader.wrong(path, f"must be a list of actions, with a dash before each{no}")
    elif not value:
        reader.wrong(path, "has no action in it")
    else:
        for index, item in enumerate(value):
            step.item(index, item)
    return step.draft


class _StepReader:
    """Reads a step's list, item by item."""

    def __init__(self, reader: FlowReader, draft: Draft) -> None:
        self._reader = reader
        self._wrong = reader.wrong
        self.draft = draft
        self._reporting: dict[str, tuple[Steps, bool]] = {}  # action -> the first that reports, and if it leads on

    def item(self, index: int, item: Any) -> None:
        here = (*self.draft.path, index)
        if not isinstance(item, dict):
            no = ": an expression cannot replace one" if isinstance(item, str) and "{{" in item else ""
            self._wrong(here, f"must be an action, as in `action: talk`{no}")
        elif "action" in item:
            self._action(index, item, here)
        elif "go" in item:
            self._reader.fields(item, ("go",), here)
            if target := self._link(item["go"], "go", (*here, "go"), index):
                self.draft.actions.append(Go(index, target))
        else:
            self._wrong(here, "has neither `action` nor `go`")

    def _action(self, index: int, item: Mapping[str, Any], here: Steps) -> None:
        kind = item["action"] if isinstance(item["action"], str) else ""
        options = {name: value for name, value in item.items() if name != "next"}
        if "go" in options:
            del options["go"]
            self._wrong((*here, "go"), "must be alone: give it a dash of its own", key=True)
        if kind == "connect" and isinstance(endpoints := options.get("endpoint"), list):
            made = [self._with_answer(endpoint, (*here, "endpoint", n), index) for n, endpoint in enumerate(endpoints)]
            options["endpoint"] = made
        self._names(options, here)
        spoken, named = "text" if kind == "talk" else "", options.pop("action")
        filled = {name: self._compiled(value, (*here, name), spoken=name == spoken) for name, value in options.items()}
        options = {"action": named, **filled}
        leads_on = "next" in item and kind in ("input", "connect", "notify")
        if leads_on or ("eventUrl" not in options and _reports_by_itself(options)):
            self._reports_once(kind, here, leads_on=leads_on)
            options = self._with_event_url(options, here, leads_on=leads_on)
        checked: dict[str, Any] = self._filled(options, here)
        faults = schema.faults([checked], own=self._reader.own)
        for path, words in faults:
            self._wrong((*here, *path[1:]), words + self._advice(path, _value_at(checked, path[1:]), words))
        self._no_step_urls(checked, here)
        leads = None
        if "next" in item and not any(path[1:] == ("action",) for path, _ in faults):
            leads = self._next(item["next"], kind, checked, (*here, "next"), index)
        self.draft.checked[index] = checked
        self.draft.actions.append(Action(index, options, leads))

    def _advice(self, path: Steps, value: Any, words: str) -> str:
        """How to mend *value*, of which *words* say what is wrong, in a file."""
        if path[1:] == ("action",) and isinstance(value, str):
            if value in ENDS:
                return " A call ends by itself, after the last action."
            near = self._reader.nearest(value, ncco.ACTIONS)
            return f" Did you mean {near}?" if near else ""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return " Put it in quotes." if is_number and "number" not in words.partition("must")[2] else ""

    def _no_step_urls(self, checked: Mapping[str, Any], here: Steps) -> None:
        """The URL of a step cannot be in the file: without the state of a call, the call would begin again there."""
        urls = checked.get("eventUrl")
        first = urls[0] if isinstance(urls, list) and urls else None
        if self._reader.own and isinstance(first, str) and first.startswith(self._reader.own + STEPS_AT):
            self._wrong((*here, "eventUrl"), "is the address of a step of this server: say with `next` where it leads")

    def _reports_once(self, kind: str, here: Steps, *, leads_on: bool) -> None:
        """The URL of a step names only the step: if two actions of it report there, neither can lead on."""
        first, led_on = self._reporting.setdefault(kind, (here, leads_on))
        if first != here and (leads_on or led_on):
            line = self._reader.line(first)
            words = f"another {kind} reports its result to the same step, in line {line}, and one of them has `next`"
            self._wrong(here, f"{words}; put this one into a step of its own")

    def _with_event_url(self, options: Mapping[str, Any], here: Steps, *, leads_on: bool) -> dict[str, Any]:
        """*options* with this step's URL for the result."""
        added: dict[str, Any] = {"eventUrl": [StepUrl(self.draft.name, enter=False)]}
        if options["action"] == "connect" and leads_on:
            added["eventType"] = "synchronous"
        for name in ("eventUrl", "eventType"):
            if name in options and leads_on:
                self._wrong((*here, name), "is filled in where there is `next`: leave one of them out", key=True)
        return {**options, **added}

    def _with_answer(self, endpoint: Any, here: Steps, index: int) -> Any:
        """*endpoint*, with the URL of a step where it says which step the callee hears first."""
        answer = endpoint.get("onAnswer") if isinstance(endpoint, dict) else None
        if not isinstance(answer, dict) or "step" not in answer:
            return endpoint
        here = (*here, "onAnswer")
        if "url" in answer:
            self._wrong((*here, "url"), "cannot be beside `step`: leave one of them out", key=True)
        target = self._link(answer["step"], "answer", (*here, "step"), index)
        others = {name: value for name, value in answer.items() if name != "step"}
        return {**endpoint, "onAnswer": {**others, "url": StepUrl(target, enter=True) if target else UNKNOWN}}

    # Expressions.

    def _compiled(self, value: Any, path: Steps, *, spoken: bool = False) -> Any:
        """*value* with placeholders for the texts that have expressions."""
        if isinstance(value, dict):
            self._names(value, path)
            return {name: self._compiled(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._compiled(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        try:
            made = compiled(value, spoken=spoken)
        except ExpressionFault as fault:
            self._wrong(path, str(fault))
            return UNKNOWN
        if isinstance(made, str):
            return made
        self.draft.uses.update(made.uses)
        self.draft.inputs.extend((step, path) for step in sorted(made.inputs))
        if spoken and (least := len(ncco.bare_text(made.least))) > ncco.MOST_CHARACTERS:
            words = f"has {least} characters beside its expressions, but must have {ncco.MOST_CHARACTERS} at most"
            self._wrong(path, words)
        if spoken and (words := ssml.ssml_fault(made.least) or ""):
            self._wrong(path, words)
        return made

    def _names(self, names: Iterable[str], path: Steps) -> None:
        for name in names:
            if "{{" in name:
                self._wrong((*path, name), "is a name: expressions can be in values only", key=True)

    def _filled(self, value: Any, path: Steps) -> Any:
        """*value* with the expressions filled that need no call for it; options that come out as none are left out."""
        if isinstance(value, dict):
            made = {name: (item, self._filled(item, (*path, name))) for name, item in value.items()}
            return {name: now for name, (item, now) in made.items() if item is None or now is not None}
        if isinstance(value, list):
            return [self._filled(item, (*path, index)) for index, item in enumerate(value)]
        if not json_shape.later(value) or isinstance(value, StepUrl) or not value.names <= {"settings"}:
            return value
        try:
            return value.fill(self._reader.scope)
        except RenderFault as fault:
            self._wrong(path, str(fault))
            return UNKNOWN

    # Where it leads.

    def _next(self, value: Any, kind: str, checked: Mapping[str, Any], path: Steps, index: int) -> Next | None:
        """Where an action of this *kind*, with the options *checked*, leads to by its result."""
        if kind not in ("input", "connect", "notify"):
            self._wrong(path, f"belongs to input, connect and notify: {kind} has no result", key=True)
        elif checked.get("mode") == "asynchronous":
            self._wrong(path, "belongs to a synchronous input: the reply to an asynchronous one is not read", key=True)
        elif isinstance(value, str) or kind == "notify":
            always = self._link(value, "notify" if kind == "notify" else "otherwise", path, index)
            return Next(always=always) if always else None
        elif branches := self._reader.mapping(value, path, "the name of a step, or branches, as in `else: step`"):
            return read_branches(
                self._reader, branches, path, kind, checked, lambda name, way, at: self._link(name, way, at, index)
            )
        return None

    def _link(self, value: Any, way: Way, path: Steps, index: int) -> str | None:
        """The step that *value* names, noted as a link of the draft; None if that can be no name."""
        if (target := self._reader.written_out(value, path, "the name of a step")) is None:
            self.draft.unreadable.append(path)
            return None
        self.draft.links.append(Link(target, way, path, index))
        return target


def _value_at(value: Any, path: Steps) -> Any:
    """What is at *path* in *value*; None if nothing is."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _reports_by_itself(options: Mapping[str, Any]) -> bool:
    """Whether the action reports something though nothing leads on from it, so that it needs an `eventUrl`.

    A notify has no other use. What a connect detects is about the callee: sent to the URL of all events of the
    application, it would be taken for news of the call itself.
    """
    detects = {"machineDetection", "advancedMachineDetection"} & options.keys()
    return options["action"] == "notify" or (options["action"] == "connect" and bool(detects))
