"""A flows file as it was read and found right: which flow a call gets, and what each step of it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from app.flows.request import Request

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)  # of a flow or a step: it stands in addresses
STEPS_AT: Final = "/voice/flows/"  # under this server's own address; behind it come flow and step
ACTIONS: Final = ("talk", "stream", "input", "record", "connect", "conversation", "notify", "wait", "transfer")
FAILED_STATUSES: Final = ("busy", "timeout", "unanswered", "rejected", "failed")  # of `connect`: their reply is read
DETECTIONS: Final = ("human", "machine", "beep_start", "beep_timeout")
MOST_ATTEMPTS, USUAL_ATTEMPTS = 10, 3
MOST_ACTIONS: Final = 100  # of one NCCO
MOST_VISITS, MOST_STEPS = 50, 200  # of one step, and of steps, in one call: whatever a flow says, nobody loops for ever


def inputs_in(uses: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """The steps of whose inputs *uses*, names of the scope and items of them, take something."""
    return frozenset(use[1] for use in uses if use[0] == "inputs" and len(use) > 1)


class RenderFault(Exception):
    """A flow does not give what it should for this very call. The text says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What holes are filled from: names and their values, and the address of a step."""

    names: Mapping[str, Any]
    url: Callable[[str, bool], str]  # step, and whether it is to be entered (True) or its action answered (False)


class Placeholder(Protocol):
    """A value in an NCCO that is only known once somebody calls: it stands for itself until then."""

    @property
    def names(self) -> frozenset[str]:
        """Which names of the scope it is made of."""

    def fill(self, scope: Scope) -> Any:
        """The value for this call. Raises RenderFault."""


@dataclass(frozen=True, slots=True)
class StepUrl:
    """The address of a step of the same flow."""

    step: str
    enter: bool  # True: whoever asks gets the step itself; False: what comes after it, by what came back

    @property
    def names(self) -> frozenset[str]:
        return frozenset()

    def fill(self, scope: Scope) -> str:
        return scope.url(self.step, self.enter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Where a call goes by what came back from an action; steps by name."""

    always: str | None = None  # whatever came back
    keys: Mapping[str, str] = field(default_factory=dict)  # the keys pressed, all of them -> step
    words: Mapping[str, str] = field(default_factory=dict)  # what was said has this word or these words in it -> step
    silence: str | None = None  # nothing pressed, nothing said
    statuses: Mapping[str, str] = field(default_factory=dict)  # how a `connect` failed -> step
    other: str | None = None  # anything else
    attempts: int = USUAL_ATTEMPTS  # how often the step may be tried
    exhausted: str | None = None  # where it goes after that

    @property
    def steps(self) -> Iterator[str]:
        """All steps it leads to."""
        for step in (self.always, *self.keys.values(), *self.words.values(), self.silence, self.other, self.exhausted):
            if step is not None:
                yield step
        yield from self.statuses.values()


@dataclass(frozen=True, slots=True)
class Action:
    """One action of an NCCO, with holes; `place` is its place in the list, from 0."""

    place: int
    options: Mapping[str, Any]  # `action` among them
    next: Next | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """In place of actions: those of another step follow here."""

    place: int
    step: str


@dataclass(frozen=True, slots=True)
class Step:
    """A list of actions under a name."""

    name: str
    actions: tuple[Action | Go, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The actions it has."""
        return frozenset(one.options["action"] for one in self.actions if isinstance(one, Action))

    @property
    def asking(self) -> Mapping[str, Next]:
        """Action name -> where it leads to by what comes back."""
        return {one.options["action"]: one.next for one in self.actions if isinstance(one, Action) and one.next}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What a caller goes through. `python` in place of steps: a function that says it.

    `version` is made of what the flow says: it changes with that, and only with that. `uses` is what its holes take of
    the scope: a name, or a name and one item of it. `detected` has a step for what answering-machine detection found
    about the call itself.
    """

    name: str
    version: str
    about: str = ""
    steps: Mapping[str, Step] = field(default_factory=dict)
    start: str = ""
    detected: Mapping[str, str] = field(default_factory=dict)
    python: Callable[[Request], Any] | None = None
    uses: frozenset[tuple[str, ...]] = frozenset()

    @property
    def inputs(self) -> frozenset[str]:
        """The steps of which a hole takes what came back."""
        return inputs_in(self.uses)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Whom a route is for: one, all that begin so, any, or any telephone number. See `routing`."""

    text: str  # as it stands in the file


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
    """Which calls get which flow. What is None does not matter. `line` is where it stands in the file."""

    flow: str
    to: Pattern | None = None
    from_: Pattern | None = None
    from_user: Pattern | None = None
    when: Hours | None = None
    closed: bool = False  # with `when`: while it is not open
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """All of a flows file. The first route that fits is taken. `text` is the file itself, `version` made of it."""

    file: Path
    text: str
    version: str
    loaded: datetime
    routes: tuple[Route, ...] = ()
    flows: Mapping[str, Flow] = field(default_factory=dict)
    watched: tuple[Path, ...] = ()  # files that, once changed, make it worth to be read anew: its own, those of Python
