"""One step of a flow on its way from the file into the book: its actions, what is filled in later, where it leads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from app.flows import schema, ssml, transitions
from app.flows.expressions.expression import compiled
from app.flows.expressions.fault import ExpressionFault
from app.flows.expressions.static_check import Use
from app.flows.model import (
    ACTIONS,
    FAILED_STATUSES,
    MOST_ATTEMPTS,
    STEPS_AT,
    USUAL_ATTEMPTS,
    Action,
    Go,
    Next,
    RenderFault,
    Scope,
    Step,
    StepUrl,
)
from app.flows.suggest import guess
from vonage_simulator import json_shape, ncco
from vonage_simulator.yaml_source import Fault, Located, Steps

MOST_COMPARED: Final = 500  # words before one: whoever has more of them has no slip of the pen in mind
USUAL_DIGITS: Final = 4  # as long as `maxDigits` says nothing else
ENDS: Final = ("hangup", "hang up", "end", "reject", "stop")
KEYS: Final = re.compile(r"[0-9*#]{1,20}", re.ASCII)
BEHIND: Final = ("else", "attempts", "exhausted")
BRANCHES: Final = {"input": ("keys", "words", "silence", *BEHIND), "connect": (*FAILED_STATUSES, *BEHIND)}
NO_FAILURES: Final = ("started", "ringing", "answered", "completed", "cancelled", "human", "machine")
UNKNOWN: Final = StepUrl("", enter=False)  # in place of what is wrong: nothing more is said of it, nobody is given it

# go: its actions follow; notify: goes there in any case; expected: by keys or words; otherwise: silence, else, a
# failure, whatever; exhausted; answer: for the callee.
Way = Literal["go", "notify", "expected", "otherwise", "exhausted", "answer"]


@dataclass(frozen=True, slots=True)
class Link:
    """That a step's action at *place* leads to the step *target*; *path* is where the file says so."""

    target: str
    way: Way
    path: Steps
    place: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A step as it was read. What is wrong within it has been found, what is between it and others has not.

    `judged` has the options of each action, by its place, with expressions only where a call is needed to fill them.
    `used` are the steps whose input an expression takes, and where; `lost` is where a step's name cannot be read.
    """

    name: str
    path: Steps
    actions: list[Action | Go] = field(default_factory=list)
    judged: dict[int, dict[str, Any]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    used: list[tuple[str, Steps]] = field(default_factory=list)
    uses: set[Use] = field(default_factory=set)
    lost: list[Steps] = field(default_factory=list)

    @property
    def step(self) -> Step:
        return Step(self.name, tuple(self.actions))


class Findings:
    """A file, and all that was found wrong in it so far. *settings*: what expressions have under `settings`."""

    def __init__(self, file: Located, settings: Mapping[str, Any]) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.own = str(settings.get("PUBLIC_URL") or "")
        self.scope = Scope({"settings": settings}, lambda step, _: step)

    def wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        self.faults.append(self.file.fault(path, words, key=key))

    def line(self, path: Steps) -> int:
        return self.file.at(path)[0]

    def is_mapping(self, value: Any, path: Steps, wanted: str = "fields with values, as in `name: value`") -> bool:
        """Whether *value* is a mapping that has something in it."""
        if not isinstance(value, dict):
            self.wrong(path, f"must be {wanted}")
        elif not value:
            self.wrong(path, f"is empty: it must be {wanted}")
        return isinstance(value, dict) and bool(value)

    def is_text(self, value: Any, path: Steps, wanted: str = "a text") -> bool:
        """Whether *value* is a text that has something in it, without an expression."""
        if not isinstance(value, str):
            quotes = ": put it in quotes" if isinstance(value, bool | int | float) else ""
            self.wrong(path, f"must be {wanted}{quotes}")
        elif not value.strip():
            self.wrong(path, f"is empty: it must be {wanted}")
        elif "{{" in value:
            self.wrong(path, f"must be {wanted}, written out: no expression can stand here")
        else:
            return True
        return False

    def known(self, names: Iterable[str], known: Iterable[str], path: Steps) -> None:
        """That there are no others than *known* among *names*, which stand in the mapping at *path*."""
        for name in names:
            if name not in known:
                self.wrong((*path, name), f"is not known here{meant(name, known)}", key=True)


def meant(word: str, known: Iterable[str]) -> str:
    """What was meant by *word*, or else all there is."""
    known = list(known)
    if near := guess(word, known):
        return f"; did you mean {near}?"
    return f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known[:20]) or 'none'}{' …' * (len(known) > 20)}"


def read(findings: Findings, value: Any, path: Steps, name: str) -> Draft:
    """The step *name*: the list *value*, at *path*."""
    reading = _Reading(findings, Draft(name, path))
    if not isinstance(value, list):
        no = ": no expression can stand for them" if isinstance(value, str) and "{{" in value else ""
        findings.wrong(path, f"must be a list of actions, with a dash before each{no}")
    elif not value:
        findings.wrong(path, "has no action in it")
    else:
        for place, item in enumerate(value):
            reading.item(place, item)
    return reading.draft


def linked(findings: Findings, draft: Draft, value: Any, way: Way, path: Steps, place: int) -> str | None:
    """The step that *draft* leads to, as *value* names it; None if that can be no name."""
    if not findings.is_text(value, path, "the name of a step"):
        draft.lost.append(path)
        return None
    draft.links.append(Link(value, way, path, place))
    return str(value)


class _Reading:
    """A step's list, item by item, on its way to a Draft."""

    def __init__(self, findings: Findings, draft: Draft) -> None:
        self._findings = findings
        self.draft = draft
        self._telling: dict[str, tuple[Steps, bool]] = {}  # action -> the first that tells us, and whether it leads on

    def item(self, place: int, item: Any) -> None:
        here = (*self.draft.path, place)
        if not isinstance(item, dict):
            no = ": no expression can stand for one" if isinstance(item, str) and "{{" in item else ""
            self._wrong(here, f"must be an action, as in `action: talk`{no}")
        elif "action" in item:
            self._action(place, item, here)
        elif "go" in item:
            self._findings.known(item, ("go",), here)
            if target := self._target(item["go"], "go", (*here, "go"), place):
                self.draft.actions.append(Go(place, target))
        else:
            self._wrong(here, "has neither `action` nor `go`")

    def _action(self, place: int, item: Mapping[str, Any], here: Steps) -> None:
        kind = item["action"] if isinstance(item["action"], str) else ""
        options = {name: value for name, value in item.items() if name != "next"}
        if "go" in options:
            del options["go"]
            self._wrong((*here, "go"), "stands alone: give it a dash of its own", key=True)
        if kind == "connect":
            options = self._with_answers(options, here, place)
        self._names(options, here)
        said, named = "text" if kind == "talk" else "", options.pop("action")
        filled = {name: self._holes(value, (*here, name), spoken=name == said) for name, value in options.items()}
        options = {"action": named, **filled}
        leads_on = "next" in item and kind in ("input", "connect", "notify")
        if leads_on or ("eventUrl" not in options and _tells_by_itself(options)):
            self._once(kind, here, leads_on=leads_on)
            options = self._telling_us(options, here, leads_on=leads_on)
        judged: dict[str, Any] = self._judged(options, here)
        faults = schema.faults([judged], own=self._findings.own)
        for path, words in faults:
            self._wrong((*here, *path[1:]), words + _advice(path, _at(judged, path[1:]), words))
        self._bare_steps(judged, here)
        leads = None
        if "next" in item and not any(path[1:] == ("action",) for path, _ in faults):
            leads = self._next(item["next"], kind, judged, (*here, "next"), place)
        self.draft.judged[place] = judged
        self.draft.actions.append(Action(place, options, leads))

    def _bare_steps(self, judged: Mapping[str, Any], here: Steps) -> None:
        """No address of a step stands in the file: it would not have what the call takes along, and begin anew."""
        urls = judged.get("eventUrl")
        first = urls[0] if isinstance(urls, list) and urls else None
        if self._findings.own and isinstance(first, str) and first.startswith(self._findings.own + STEPS_AT):
            self._wrong((*here, "eventUrl"), "is the address of a step of this server: say with `next` where it leads")

    def _once(self, kind: str, here: Steps, *, leads_on: bool) -> None:
        """The address of a step says no more than the step: of two that tell us there, neither can lead on."""
        first, led_on = self._telling.setdefault(kind, (here, leads_on))
        if first != here and (leads_on or led_on):
            line = self._findings.line(first)
            words = f"another {kind} tells what comes back to the same step, in line {line}, and one of them has `next`"
            self._wrong(here, f"{words}; put this one into a step of its own")

    def _telling_us(self, options: Mapping[str, Any], here: Steps, *, leads_on: bool) -> dict[str, Any]:
        """*options* with our own address for what comes back."""
        filled: dict[str, Any] = {"eventUrl": [StepUrl(self.draft.name, enter=False)]}
        if options["action"] == "connect" and leads_on:
            filled["eventType"] = "synchronous"
        for name in ("eventUrl", "eventType"):
            if name in options and leads_on:
                self._wrong((*here, name), "is filled in where there is `next`: leave one of them out", key=True)
        return {**options, **filled}

    def _with_answers(self, options: Mapping[str, Any], here: Steps, place: int) -> dict[str, Any]:
        """*options* of a connect, with the address of a step where it says which step the callee hears first."""
        endpoints = options.get("endpoint")
        if not isinstance(endpoints, list):
            return dict(options)
        made = [self._with_answer(one, (*here, "endpoint", n), place) for n, one in enumerate(endpoints)]
        return {**options, "endpoint": made}

    def _with_answer(self, endpoint: Any, here: Steps, place: int) -> Any:
        answer = endpoint.get("onAnswer") if isinstance(endpoint, dict) else None
        if not isinstance(answer, dict) or "step" not in answer:
            return endpoint
        here = (*here, "onAnswer")
        if "url" in answer:
            self._wrong((*here, "url"), "cannot stand beside `step`: leave one of them out", key=True)
        target = self._target(answer["step"], "answer", (*here, "step"), place)
        others = {name: value for name, value in answer.items() if name != "step"}
        return {**endpoint, "onAnswer": {**others, "url": StepUrl(target, enter=True) if target else UNKNOWN}}

    # Expressions.

    def _holes(self, value: Any, path: Steps, *, spoken: bool = False) -> Any:
        """*value* with expressions in place of the texts that have any."""
        if isinstance(value, dict):
            self._names(value, path)
            return {name: self._holes(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._holes(item, (*path, number)) for number, item in enumerate(value)]
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
        self.draft.used.extend((step, path) for step in sorted(made.inputs))
        if spoken and (least := len(ncco.bare_text(made.least))) > ncco.MOST_CHARACTERS:
            words = f"has {least} characters beside its expressions, but must have {ncco.MOST_CHARACTERS} at most"
            self._wrong(path, words)
        if spoken and (words := ssml.ssml_fault(made.least) or ""):
            self._wrong(path, words)
        return made

    def _names(self, value: Iterable[str], path: Steps) -> None:
        for name in value:
            if "{{" in name:
                self._wrong((*path, name), "is a name: expressions stand in values only", key=True)

    def _judged(self, value: Any, path: Steps) -> Any:
        """*value* with what expressions give that need no call for it; without what comes out as nothing."""
        if isinstance(value, dict):
            made = {name: (item, self._judged(item, (*path, name))) for name, item in value.items()}
            return {name: now for name, (item, now) in made.items() if item is None or now is not None}
        if isinstance(value, list):
            return [self._judged(item, (*path, number)) for number, item in enumerate(value)]
        if not json_shape.later(value) or isinstance(value, StepUrl) or not value.names <= {"settings"}:
            return value
        try:
            return value.fill(self._findings.scope)
        except RenderFault as fault:
            self._wrong(path, str(fault))
            return UNKNOWN

    # Where it leads.

    def _next(self, value: Any, kind: str, judged: Mapping[str, Any], path: Steps, place: int) -> Next | None:
        """Where the action *judged*, of this *kind*, leads to by what comes back."""
        if kind not in ("input", "connect", "notify"):
            self._wrong(path, f"belongs to input, connect and notify: nothing comes back from {kind}", key=True)
        elif judged.get("mode") == "asynchronous":
            self._wrong(path, "belongs to a synchronous input: the reply to an asynchronous one is not read", key=True)
        elif isinstance(value, str) or kind == "notify":
            always = self._target(value, "notify" if kind == "notify" else "otherwise", path, place)
            return Next(always=always) if always else None
        elif self._findings.is_mapping(value, path, "the name of a step, or branches, as in `else: step`"):
            return _Branches(self._findings, self.draft, kind, judged, place).read(value, path)
        return None

    def _target(self, value: Any, way: Way, path: Steps, place: int) -> str | None:
        return linked(self._findings, self.draft, value, way, path, place)

    def _wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        self._findings.wrong(path, words, key=key)


def _at(value: Any, path: Steps) -> Any:
    """What stands at *path* in *value*; None if nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _advice(path: Steps, value: Any, words: str) -> str:
    """How to mend *value*, of which *words* say what is wrong, in a file."""
    if path[1:] == ("action",) and isinstance(value, str):
        if value in ENDS:
            return " A call ends by itself, behind the last action."
        near = guess(value, ACTIONS)
        return f" Did you mean {near}?" if near else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return " Put it in quotes." if is_number and "number" not in words.partition("must")[2] else ""


def _tells_by_itself(options: Mapping[str, Any]) -> bool:
    """Whether what *options* do tells us something though nothing leads on from it, and where must be said.

    A notify has no other use. What a connect detects is about whom it reached: told where all events of the application
    go, it would be taken for news of the call itself.
    """
    detects = {"machineDetection", "advancedMachineDetection"} & options.keys()
    return options["action"] == "notify" or (options["action"] == "connect" and bool(detects))


class _Branches:
    """A `next` that is a mapping, on its way to Next: what it may have goes by the action it belongs to."""

    def __init__(self, findings: Findings, draft: Draft, kind: str, options: Mapping[str, Any], place: int) -> None:
        self._findings, self._draft, self._kind, self._place = findings, draft, kind, place
        types, dtmf = options.get("type"), options.get("dtmf", {})
        self._types = types if isinstance(types, list) and all(isinstance(one, str) for one in types) else None
        self._dtmf = dtmf if isinstance(dtmf, dict) else {"maxDigits": None}  # None: not known before a call

    def read(self, value: Mapping[str, Any], path: Steps) -> Next:
        self._known(value, path)
        if not value.keys() - {"attempts", "exhausted"}:
            self._findings.wrong(path, "leads nowhere: say which step comes by what, as in `else: step`")
        found = {
            name: self._step(value[name], "exhausted" if name == "exhausted" else "otherwise", (*path, name))
            for name in ("silence", "else", "exhausted", *FAILED_STATUSES)
            if name in value and name in BRANCHES[self._kind]
        }
        attempts = self._attempts(value.get("attempts", USUAL_ATTEMPTS), (*path, "attempts"))
        if "attempts" in value and "exhausted" not in value:
            words = "says how often, but not what comes after: say with `exhausted` where it goes then"
            self._findings.wrong((*path, "attempts"), words)
        return Next(
            keys=self._expected(value, "keys", path),
            words=self._expected(value, "words", path),
            silence=found.get("silence"),
            statuses={name: step for name, step in found.items() if step and name in FAILED_STATUSES},
            other=found.get("else"),
            attempts=attempts,
            exhausted=found.get("exhausted"),
        )

    def _known(self, value: Mapping[str, Any], path: Steps) -> None:
        known = BRANCHES[self._kind]
        for name in value:
            if name in known:
                continue
            words = f"is no branch of {self._kind}{meant(name, known)}"
            if self._kind == "connect" and name in NO_FAILURES:
                words = f"{name} is no failure: its reply is not read by Vonage"
            elif owner := next((kind for kind, branches in BRANCHES.items() if name in branches), None):
                words = f"is a branch of {owner}, not of {self._kind}"
            self._findings.wrong((*path, name), words, key=True)

    def _attempts(self, value: Any, path: Steps) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
            self._findings.wrong(path, f"must be a whole number from 1 to {MOST_ATTEMPTS}")
            return USUAL_ATTEMPTS
        return value

    def _expected(self, value: Mapping[str, Any], name: Literal["keys", "words"], path: Steps) -> dict[str, str]:
        """The keys, or the words, that lead to a step of their own."""
        path = (*path, name)
        wanted = {"keys": "keys and steps, as in `1: sales`", "words": "words and steps, as in `sales: sales`"}[name]
        if name not in value or self._kind != "input" or not self._findings.is_mapping(value[name], path, wanted):
            return {}
        type_ = {"keys": "dtmf", "words": "speech"}[name]
        if self._types is not None and type_ not in self._types:
            self._findings.wrong(path, f"can never come: `type` has no {type_} in it", key=True)
        check, seen = {"keys": self._key, "words": self._words}[name], dict[str, str]()
        for one in value[name]:
            if words := check(one, seen):
                self._findings.wrong((*path, one), words, key=True)
        steps = {one: self._step(step, "expected", (*path, one)) for one, step in value[name].items()}
        return {one: step for one, step in steps.items() if step}

    def _key(self, key: str, _: dict[str, str]) -> str | None:
        most = self._dtmf.get("maxDigits", USUAL_DIGITS)
        if not KEYS.fullmatch(key):
            return "must be keys: 0 to 9, * and # only, 20 at most"
        if isinstance(most, int) and len(key) > most:
            return f"can never be pressed: it has {len(key)} keys, and `maxDigits` of `dtmf` is {most}"
        if self._dtmf.get("submitOnHash") is True and "#" in key:
            return "can never come: with `submitOnHash`, # ends what is pressed and is not told"
        return None

    def _words(self, words: str, seen: dict[str, str]) -> str | None:
        plain = transitions.plain(words)
        if "{{" in words:
            return "is to be looked for as it stands: no expression can stand here"
        if not any(sign.isalnum() for sign in plain):
            return "must have a word in it"
        if plain in seen:
            return f'is the same as "{seen[plain]}": what was said is looked at without regard to case'
        if first := next((one for one in islice(seen, MOST_COMPARED) if transitions.within(one, plain)), None):
            return f'can never come: "{seen[first]}", which stands before it, is in it'
        seen[plain] = words
        return None

    def _step(self, value: Any, way: Way, path: Steps) -> str | None:
        return linked(self._findings, self._draft, value, way, path, self._place)
