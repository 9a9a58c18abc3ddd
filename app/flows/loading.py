"""The flows file on its way into a book: whatever is wrong in it is found at once, and named by line and column.

A file in which anything is wrong gives no book: half of what somebody meant is no flow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from app.domain.numbers import digits
from app.flows import graph, hours, python_modules, routing, steps
from app.flows.model import DETECTIONS, NAME, Flow, FlowFile, Hours, Pattern, Route
from app.flows.steps import Draft, Findings, Link, meant
from app.flows.suggest import few_guesses
from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import MOST_BYTES, Fault, Faults, Steps

NAMED: Final = "letters, digits, - and _, the first no - or _, 64 at most"
MOST_STEPS: Final = 200  # of a flow
FIRST: Final = "start"  # the step of a flow that has no other
PARTIES: Final = ("to", "from", "from_user")
MOST_FAULTS: Final = 200  # told of a file: whoever has so many mends these first


class NoBook(Faults):
    """Faults, and the files in which they may be mended."""

    def __init__(self, faults: Iterable[Fault], watched: Iterable[Path]) -> None:
        super().__init__(faults)
        self.watched = tuple(dict.fromkeys(watched))


def load(path: Path, settings: Mapping[str, Any]) -> FlowFile:
    """The book in the file at *path*; *settings* is what expressions have under `settings`. Raises Faults.

    Where they may be in other files as well, they are a NoBook.
    """
    return read(_text(path), str(path), settings)


def read(text: str, name: str, settings: Mapping[str, Any]) -> FlowFile:
    """The book that *text* is, as if it stood in the file *name*. Raises Faults."""
    try:
        with few_guesses():
            return _read(text, name, settings)
    except Faults as wrong:
        if len(wrong.faults) <= MOST_FAULTS:
            raise
        first = wrong.faults[MOST_FAULTS]
        more = first._replace(field="", words=f"and {len(wrong.faults) - MOST_FAULTS:,} more from here on")
        raise NoBook([*wrong.faults[:MOST_FAULTS], more], getattr(wrong, "watched", [Path(name)])) from None


def _read(text: str, name: str, settings: Mapping[str, Any]) -> FlowFile:
    findings = Findings(yaml_source.read(text, name), settings)
    reading = _Reading(findings, Path(name))
    routes = reading.routes_of_all()
    if findings.faults:
        raise NoBook(findings.faults, reading.watched)
    return FlowFile(
        file=Path(name),
        text=text,
        version=_version(text.encode()),
        loaded=datetime.now(UTC),
        routes=routes,
        flows={name: flow for name, flow in reading.flows.items() if flow},
        watched=tuple(dict.fromkeys(reading.watched)),
    )


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size <= MOST_BYTES:
            return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        pass
    yaml_source.load(path)  # says what is wrong with a file that cannot be read
    return _text(path)  # it was mended in between


def _version(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()[:8]


class _Reading:
    """A file's parts, one by one. What has a fault is None, but known by its name."""

    def __init__(self, findings: Findings, file: Path) -> None:
        self._findings = findings
        self.watched = [file]
        self.flows: dict[str, Flow | None] = {}
        self._hours: dict[str, Hours | None] = {}
        self._hours_used: set[str] = set()
        self._hours_lost = False  # a route has hours that are not there: who knows which were meant

    def routes_of_all(self) -> tuple[Route, ...]:
        """The routes, once all that they are about has been read."""
        value = self._findings.file.value
        if not self._findings.is_mapping(value, (), "a file with `routes` and `flows`"):
            return ()
        self._findings.known(value, ("routes", "flows", "hours"), ())
        for name in ("routes", "flows"):
            if name not in value:
                self._wrong((name,), "is missing")
        if "hours" in value and self._findings.is_mapping(value["hours"], ("hours",), "names and opening hours"):
            self._hours = {name: self._hours_of(name) for name in value["hours"]}
        if "flows" in value and self._findings.is_mapping(value["flows"], ("flows",), "names and flows"):
            self.flows = {name: self._flow(name, flow) for name, flow in value["flows"].items()}
        return self._routes(value["routes"]) if "routes" in value else ()

    # Routes.

    def _routes(self, value: Any) -> tuple[Route, ...]:
        if not isinstance(value, list):
            self._wrong(("routes",), "must be a list, with a dash before each route")
            return ()
        if not value:
            self._wrong(("routes",), "is empty: no call would get anywhere")
        every = [self._route(route, ("routes", number)) for number, route in enumerate(value)]
        taken: dict[str, list[Route]] = {}  # by whom alone they are for: there may be thousands
        for number, route in enumerate(every):
            if route is None:
                continue
            whom = _whom(route)
            before = (one for key in dict.fromkeys(("", whom)) for one in taken.get(key, ()))
            if earlier := next((one for one in before if routing.shadowed(one, route)), None):
                self._wrong(("routes", number), f"is never taken: the one in line {earlier.line} takes all its calls")
            taken.setdefault(whom, []).append(route)
        for name in self._hours:
            if name not in self._hours_used and not self._hours_lost:
                self._wrong(("hours", name), "are never used: no route has `when` with them", key=True)
        return tuple(route for route in every if route)

    def _route(self, value: Any, path: Steps) -> Route | None:
        if not self._findings.is_mapping(value, path, "a route, as in `flow: name`"):
            return None
        begun = len(self._findings.faults)
        self._findings.known(value, ("flow", "when", *PARTIES), path)
        flow = self._named_flow(value, path)
        to, from_, from_user = (
            self._pattern(value[party], (*path, party)) if party in value else None for party in PARTIES
        )
        if {"from", "from_user"} <= value.keys():
            # https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
            words = "stands beside `from`, so that the route is never taken: a caller has one of the two"
            self._wrong((*path, "from_user"), words, key=True)
        when, closed = self._when(value["when"], (*path, "when")) if "when" in value else (None, False)
        if len(self._findings.faults) > begun or ("when" in value and when is None):
            return None
        return Route(
            flow=flow,
            to=to,
            from_=from_,
            from_user=from_user,
            when=when,
            closed=closed,
            line=self._findings.line(path),
        )

    def _named_flow(self, value: Mapping[str, Any], path: Steps) -> str:
        path = (*path, "flow")
        if "flow" not in value:
            self._wrong(path, "is missing: which flow do these calls get?")
        elif self._findings.is_text(value["flow"], path, "the name of a flow"):
            if value["flow"] not in self.flows:
                self._wrong(path, f"there is no flow {value['flow']}{meant(value['flow'], self.flows)}")
            return str(value["flow"])
        return ""

    def _pattern(self, value: Any, path: Steps) -> Pattern | None:
        if not self._findings.is_text(value, path, "a text"):
            return None
        if words := routing.pattern_fault(value):
            self._wrong(path, words)
        return Pattern(value)

    def _when(self, value: Any, path: Steps) -> tuple[Hours | None, bool]:
        if not self._findings.is_text(value, path, "the name of opening hours, or `not` and their name"):
            self._hours_lost = True
            return None, False
        *no, name = value.split()
        if no not in ([], ["not"]):
            self._hours_lost = True
            self._wrong(path, "must be the name of opening hours, or `not` and their name")
        elif name not in self._hours:
            self._wrong(path, f"there are no hours {name}{meant(name, self._hours)}")
            self._hours_lost = True
        self._hours_used.add(name)
        return self._hours.get(name), bool(no)

    def _hours_of(self, name: str) -> Hours | None:
        self._name(name, ("hours", name))
        try:
            return hours.read(self._findings.file, ("hours", name), name)
        except Faults as wrong:
            self._findings.faults += wrong.faults
            return None

    # Flows.

    def _flow(self, name: str, value: Any) -> Flow | None:
        path: Steps = ("flows", name)
        self._name(name, path)
        if isinstance(value, list):
            return self._flow_of_steps(name, value, {FIRST: steps.read(self._findings, value, path, FIRST)}, path)
        if not self._findings.is_mapping(value, path, "a list of actions, or a mapping with `steps`"):
            return None
        if "about" in value:
            self._findings.is_text(value["about"], (*path, "about"))
        if "python" in value:
            return self._python(name, value, path)
        self._findings.known(value, ("about", "steps", "start", "detected"), path)
        if "steps" not in value:
            self._wrong(path, "has no `steps`, nor `python`")
            return None
        return self._flow_of_steps(name, value, self._steps(value["steps"], (*path, "steps")), path)

    def _steps(self, value: Any, path: Steps) -> dict[str, Draft]:
        if not self._findings.is_mapping(value, path, "names and steps"):
            return {}
        if len(value) > MOST_STEPS:
            self._wrong(path, f"has {len(value)} steps, but must have {MOST_STEPS} at most", key=True)
            return {}
        for name in value:
            self._name(name, (*path, name))
        return {name: steps.read(self._findings, actions, (*path, name), name) for name, actions in value.items()}

    def _flow_of_steps(self, name: str, value: Any, drafts: Mapping[str, Draft], path: Steps) -> Flow | None:
        if not drafts:
            return None
        more: Mapping[str, Any] = value if isinstance(value, dict) else {}
        start, roots = next(iter(drafts)), list[Link]()
        if "start" in more and self._findings.is_text(more["start"], (*path, "start"), "the name of a step"):
            start = more["start"]
        roots.append(Link(start, "otherwise", (*path, "start")))
        detected = self._detected(more["detected"], (*path, "detected"), roots) if "detected" in more else {}
        graph.check(self._findings, drafts, roots)
        return Flow(
            name=name,
            version=_version(_canonical(value)),
            about=more.get("about", ""),
            steps={name: draft.step for name, draft in drafts.items()},
            start=start,
            detected=detected,
            uses=frozenset[tuple[str, ...]]().union(*(draft.uses for draft in drafts.values())),
        )

    def _detected(self, value: Any, path: Steps, roots: list[Link]) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._findings.is_mapping(value, path, f"steps by what was detected: {', '.join(DETECTIONS)}"):
            self._findings.known(value, DETECTIONS, path)
            for word, step in value.items():
                if self._findings.is_text(step, (*path, word), "the name of a step"):
                    found[word] = step
                    roots.append(Link(step, "otherwise", (*path, word)))
        return found

    def _python(self, name: str, value: Mapping[str, Any], path: Steps) -> Flow | None:
        for other in ("steps", "start", "detected"):
            if other in value:
                self._wrong((*path, other), "cannot stand beside `python`: leave one of them out", key=True)
        self._findings.known(value.keys() - {"steps", "start", "detected"}, ("about", "python"), path)
        path = (*path, "python")
        if not self._findings.is_text(value["python"], path, "a function, as in package.module:function"):
            return None
        self.watched += python_modules.files_of(value["python"])
        try:
            function, file = python_modules.load(value["python"])
            code = file.read_bytes()
        except (OSError, ValueError) as fault:
            self._wrong(path, str(fault))
            return None
        about = value.get("about", "")
        return Flow(name=name, version=_version(_canonical(value), code), about=about, python=function)

    def _name(self, name: str, path: Steps) -> None:
        if not NAME.fullmatch(name):
            self._wrong(path, f"is no name: {NAMED}", key=True)

    def _wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        self._findings.wrong(path, words, key=key)


def _whom(route: Route) -> str:
    """The one called party that *route* is for, always written the same way; "" if it is for more than one."""
    text = route.to.text if route.to else routing.ANY
    return "" if text.endswith(routing.ANY) or text == routing.NUMBER else digits(text) or text.casefold()


def _canonical(value: Any) -> bytes:
    """*value* as JSON in one way only. The order of names is kept: the first step is where a call begins."""
    return json.dumps(value, separators=(",", ":")).encode()
