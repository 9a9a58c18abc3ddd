"""One step of a flow, read from the file: its actions, their expressions, and where they lead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.flows import meant, schema, sequence, ssml, voicemail
from app.flows.branches import BRANCHES, read_branches
from app.flows.expressions.expression import compiled
from app.flows.expressions.fault import ExpressionFault
from app.flows.expressions.static_check import Use
from app.flows.model import STEPS_AT, Action, Go, Next, RenderFault, Step, StepUrl, VoicemailUrl, is_user
from app.flows.reader import FlowReader
from vonage_simulator import json_shape, ncco
from vonage_simulator.yaml_source import Steps

NO_OPTION: Final = re.compile(r"It is no option of [\w ]+\.")  # and nothing is known that was meant
IN_NEXT: Final = ": it must be one level deeper, next."
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
    `inputs` are the steps whose input an expression uses, and where; `flows` those that it goes to, and where;
    `unreadable` is where no step's name can be read.
    """

    name: str
    path: Steps
    actions: list[Action | Go] = field(default_factory=list)
    checked: dict[int, dict[str, Any]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    inputs: list[tuple[str, Steps]] = field(default_factory=list)
    flows: list[tuple[str, Steps]] = field(default_factory=list)
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
        self.draft = draft
        self._marked: set[Steps] = set()
        self._reporting: dict[str, tuple[Steps, bool]] = {}  # action -> the first that reports, and if it leads on

    def item(self, index: int, item: Any) -> None:
        here = (*self.draft.path, index)
        if not isinstance(item, dict):
            no = ": an expression cannot replace one" if isinstance(item, str) and "{{" in item else ""
            self._wrong(here, f"must be an action, as in `action: talk`{no}")
        elif "action" in item or f"action{meant.MARK}" in item:
            self._action(index, item, here)
        elif "go" in item:
            self._reader.fields(item, ("go",), here)
            if target := self._link(item["go"], "go", (*here, "go"), index):
                self.draft.actions.append(Go(index, target))
        elif "flow" in item:
            self._reader.fields(item, ("flow",), here)
            if flow := self._reader.written_out(item["flow"], (*here, "flow"), "the name of a flow"):
                self.draft.flows.append((flow, (*here, "flow")))
                self.draft.actions.append(Go(index, "", flow))
                self.draft.checked[index] = {"action": UNKNOWN}
        elif "voicemail" in item:
            self._voicemail(index, item, here)
        else:
            self._wrong(here, "has neither `action` nor `go`, nor `flow` or `voicemail`")

    def _action(self, index: int, item: Mapping[str, Any], here: Steps) -> None:
        options, marked = meant.unmarked({name: value for name, value in item.items() if name != "next"})
        self._marked |= {(*here, *path) for path in marked}
        for path in marked:
            if _value_at(item, path) is not None:
                self._reader.wrong((*here, *path), "is there twice: with ! and without", key=True)
        kind = options["action"] if isinstance(options["action"], str) else ""
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
        faults = self._checked(checked, here, marked)
        checked = ncco.ACTION.plain(checked)
        self._no_step_urls(checked, here)
        leads = None
        if "next" in item and ("action",) not in faults:
            leads = self._next(item["next"], kind, checked, (*here, "next"), index)
        self.draft.checked[index] = checked
        self.draft.actions.append(Action(index, options, leads, marked))

    def _voicemail(self, index: int, item: Mapping[str, Any], here: Steps) -> None:
        self._reader.fields(item, voicemail.FIELDS, here)
        user, path = item["voicemail"], (*here, "voicemail")
        if self._reader.text(user, path, "the name of a user") is not None:
            user = self._compiled(user, path)
            if isinstance(user, str) and not is_user(user):
                self._wrong(path, "is no name of a user: it must be 1 to 200 printable characters")
        greeting = voicemail.greeting_of(item.get("greeting", voicemail.GREETING))
        if greeting is None:
            self._wrong((*here, "greeting"), "must be a text, or options with either `text` or `streamUrl`")
        else:
            greeting = self._spoken(greeting, (*here, "greeting"))
        limits = {name: self._compiled(item[name], (*here, name)) for name in voicemail.OPTIONS if name in item}
        record = voicemail.record_for(user, limits)
        checked: dict[str, Any] = self._filled(record, here)
        self._checked(checked, here, ())
        if not any(option in checked for option in sequence.RECORDS_UNTIL):
            words = "cannot be taken away together with `endOnKey`: what follows would not wait for the message"
            self._wrong((*here, "endOnSilence"), words)
            checked["endOnKey"] = UNKNOWN
        self.draft.checked[index] = ncco.ACTION.plain(checked)
        self.draft.actions.append(Action(index, record, greeting=greeting))

    def _spoken(self, greeting: Mapping[str, Any], here: Steps) -> dict[str, Any]:
        """The *greeting* of a voicemail with placeholders."""
        named = greeting["action"]
        filled = {
            name: self._compiled(value, here if name == "text" else (*here, name), spoken=name == "text")
            for name, value in greeting.items()
            if name != "action"
        }
        self._checked(self._filled({"action": named, **filled}, here), here, ())
        return {"action": named, **filled}

    def _wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        self._reader.wrong(self._written(path), words, key=key)

    def _written(self, path: Steps) -> Steps:
        """*path* as it is in the file: with the marks of what is meant."""
        return tuple(
            f"{step}{meant.MARK}" if path[: index + 1] in self._marked else step for index, step in enumerate(path)
        )

    def _checked(self, action: Mapping[str, Any], here: Steps, marked: Collection[Steps]) -> set[Steps]:
        """Report what is wrong with *action*, and what should be otherwise; return the paths of what is wrong."""
        own = self._reader.own
        faults = schema.faults([action], own=own, meant={(0, *at) for at in marked})
        branches = BRANCHES.get(str(action["action"]), ())
        faults = [(path, _in_next(path, words, branches)) for path, words in faults]
        if any(IN_NEXT in words for _, words in faults):
            self.draft.unreadable.append((*here, "next"))  # where it leads is not known
        for path, words in faults:
            self._wrong((*here, *path[1:]), words + self._advice(path[1:], _value_at(action, path[1:]), words))
        for path, words in schema.advices([action], own=own):
            if not schema.is_meant(path[1:], marked):
                self._reader.advise(self._written((*here, *path[1:])), words)
        unknown = [path[1:] for path, _ in schema.faults([action], own=own)] if marked else []
        for at in marked:
            needless = not json_shape.later(_value_at(action, at)) and not any(
                path[: len(at)] == at for path in unknown
            )
            self._reader.advise(self._written((*here, *at)), meant.NEEDLESS if needless else meant.SERVED, key=True)
        return {path[1:] for path, _ in faults}

    def _advice(self, path: Steps, value: Any, words: str) -> str:
        """How to mend *value*, of which *words* say what is wrong, in a file."""
        if path == ("action",) and isinstance(value, str):
            if value in ENDS:
                return " A call ends by itself, after the last action."
            near = self._reader.nearest(value, ncco.ACTIONS)
            return f" Did you mean {near}?" if near else ""
        if NO_OPTION.fullmatch(words):
            return f" If it is meant, write {path[-1]}{meant.MARK}."
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return " Put it in quotes." if is_number and "but must be text" in words else ""

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
        self._hours(made.uses, path)
        if spoken and (least := len(ncco.bare_text(made.least))) > ncco.MOST_CHARACTERS:
            words = f"has {least} characters beside its expressions, but must have {ncco.MOST_CHARACTERS} at most"
            self._wrong(path, words)
        if spoken and (words := ssml.ssml_fault(made.least) or ""):
            self._wrong(path, words)
        return made

    def _hours(self, uses: Iterable[Use], path: Steps) -> None:
        """The opening hours that an expression uses must be there."""
        known = self._reader.hours
        for use in sorted(uses):
            if use[0] != "hours":
                continue
            if len(use) == 1:
                self._wrong(path, "hours: of them, a name is expected, as in hours.office")
            elif use[1] not in known:
                self._wrong(path, f"hours.{use[1]}: there are no hours {use[1]}{self._reader.meant(use[1], known)}")
            if len(use) == 1 or use[1] not in known:
                self._reader.hours_unclear = True
            else:
                self._reader.hours_used.add(use[1])

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
        is_url = isinstance(value, StepUrl | VoicemailUrl)
        if not json_shape.later(value) or is_url or not value.names <= {"settings"}:
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


def _in_next(path: Steps, words: str, branches: Collection[str]) -> str:
    """The *words* on an option that is unknown; other ones if it is a branch of `next`, written beside it."""
    if len(path) == 2 and path[1] in branches and NO_OPTION.fullmatch(words):
        return f"{words[:-1]}{IN_NEXT}{path[1]}."
    return words


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
