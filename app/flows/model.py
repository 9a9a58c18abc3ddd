"""A flows file without faults: which flow a call gets, and what each step of it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.flows.request import Request
from vonage_simulator import json_shape
from vonage_simulator.yaml_source import Fault, Steps

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)  # of a flow or a step: it is part of URLs
STEPS_AT: Final = "/voice/flows/"  # under this server's own address, before flow and step
VOICEMAILS_AT: Final = "/voice/voicemails"  # the same, where the recordings of voicemails are reported
USER_CALLS_AT: Final = "/voice/calls"  # the same, where the legs of users who begin a call get their script
LONGEST_USER: Final = 200  # characters of the name of a user who has voicemails
FAILED_STATUSES: Final = ("busy", "timeout", "unanswered", "rejected", "failed")  # of `connect`: their reply is read
DETECTIONS: Final = ("human", "machine", "beep_start", "beep_timeout")
MOST_ATTEMPTS, USUAL_ATTEMPTS = 10, 3
MOST_ACTIONS: Final = 100  # of one NCCO
MOST_VISITS, MOST_STEPS_ENTERED = 50, 200  # of one step, and of all, in one call: no flow can loop for ever


def inputs_in(uses: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """The steps whose inputs are in *uses*, which are names of the scope and items of them."""
    return frozenset(use[1] for use in uses if use[0] == "inputs" and len(use) > 1)


class RenderFault(Exception):
    """A flow gives no NCCO that can be served for this call. The text says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders are filled from: names and their values, and the URLs of steps and of voicemails."""

    names: Mapping[str, Any]
    url: Callable[[str, bool], str]  # step, and whether a request there enters it (True) or has its result (False)
    voicemail: Callable[[str], str] = str  # user -> where a message that is recorded for them is reported


@dataclass(frozen=True, slots=True)
class StepUrl:
    """The URL of a step of the same flow: a placeholder, like `Expression`. See `json_shape.later`."""

    step: str
    enter: bool  # True: a request there gets the step itself; False: what comes after it, by the result

    def fill(self, scope: Scope) -> str:
        return scope.url(self.step, self.enter)


@dataclass(frozen=True, slots=True)
class VoicemailUrl:
    """Where a message that is recorded for a user is reported: a placeholder. `user` is a name, or an expression."""

    user: Any

    def fill(self, scope: Scope) -> str:
        user = self.user.fill(scope) if json_shape.later(self.user) else self.user
        if not is_user(user):
            raise RenderFault(f"voicemail: {json_shape.shown(user)} is no name of a user")
        return scope.voicemail(user)


def is_user(name: Any) -> bool:
    """Whether *name* can be the name of a user."""
    return isinstance(name, str) and bool(name.strip()) and len(name) <= LONGEST_USER and name.isprintable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Where a call goes by the result of an action; steps by name."""

    always: str | None = None  # after any result
    keys: Mapping[str, str] = field(default_factory=dict)  # all keys that were pressed -> step
    words: Mapping[str, str] = field(default_factory=dict)  # words that were said, among others -> step
    silence: str | None = None  # nothing pressed, nothing said
    statuses: Mapping[str, str] = field(default_factory=dict)  # how a `connect` failed -> step
    other: str | None = None  # anything else
    attempts: int = USUAL_ATTEMPTS  # how often the step may be tried
    exhausted: str | None = None  # where it goes after that


@dataclass(frozen=True, slots=True)
class Action:
    """One action of an NCCO, with placeholders; `index` is that in the step's list."""

    index: int
    options: Mapping[str, Any]  # `action` among them
    next: Next | None = None
    meant: frozenset[Steps] = frozenset()  # paths of options that are served as they are: see `meant`
    greeting: Mapping[str, Any] | None = None  # the options of another action before it: of a voicemail


@dataclass(frozen=True, slots=True)
class Go:
    """In place of an action: those of another step follow here, or of the first step of another flow."""

    index: int
    step: str
    flow: str = ""  # without `step`


@dataclass(frozen=True, slots=True)
class Step:
    """A list of actions under a name."""

    name: str
    actions: tuple[Action | Go, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The names of its actions."""
        return frozenset(action.options["action"] for action in self.actions if isinstance(action, Action))

    @property
    def transitions(self) -> Mapping[str, Next]:
        """Action name -> where it leads to by its result."""
        return {
            action.options["action"]: action.next
            for action in self.actions
            if isinstance(action, Action) and action.next
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a caller goes through. `python` in place of steps: a function that returns the actions.

    `version` is a digest of the content: it changes with that, and only with that. `uses` is what its expressions use
    of the scope: a name, or a name and one item of it. `detected`: step by what answering-machine detection found about
    the call itself.
    """

    name: str
    version: str
    about: str = ""
    steps: Mapping[str, Step] = field(default_factory=dict)
    start: str = ""
    detected: Mapping[str, str] = field(default_factory=dict)
    python: Callable[[Request], Any] | None = None
    uses: frozenset[tuple[str, ...]] = frozenset()
    leads_to: frozenset[str] = frozenset()  # flows, from there on, too

    @property
    def inputs(self) -> frozenset[str]:
        """The steps whose results its expressions use."""
        return inputs_in(self.uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When something is open: for each day of the week (0 is Monday) minutes of the day, from and to.

    A span that ends before it begins goes on into the next day; 1440 is the end of the day.
    """

    name: str
    zone: ZoneInfo
    week: Mapping[int, tuple[tuple[int, int], ...]]
    holidays: frozenset[date | tuple[int, int]] = frozenset()  # closed: a date, or (month, day) of every year


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which calls get which flow. `to`, `from_` and `from_user` are patterns: see `routing`. None does not matter."""

    flow: str
    to: str | None = None
    from_: str | None = None
    from_user: str | None = None
    when: Hours | None = None
    closed: bool = False  # with `when`: while it is not open
    line: int = 0  # in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A whole flows file. The first route that fits is taken. `text` is the file itself, `version` its digest."""

    file: Path
    text: str
    version: str
    loaded: datetime
    routes: tuple[Route, ...] = ()
    flows: Mapping[str, Flow] = field(default_factory=dict)
    hours: Mapping[str, Hours] = field(default_factory=dict)
    watched: tuple[Path, ...] = ()  # the files to reload after: its own, those of Python flows
    rooms: bool | frozenset[str] = True  # whether calls of users are rooms, and no pairs; or in which flows they are
    advices: tuple[Fault, ...] = ()  # what should be otherwise, though it is served
