"""The flows file, read into the model. Everything that is wrong in it is found at once, with line and column.

A file with any fault gives no model: half of what an author meant is no flow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from app.domain.numbers import digits
from app.flows import graph, hours, meant, python_modules, routing, steps
from app.flows.model import DETECTIONS, NAME, Flow, FlowFile, Hours, Route
from app.flows.reader import FlowFileFaults, FlowReader
from app.flows.request import START
from app.flows.steps import Draft, Link
from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import Faults, Located, Steps

NAMED: Final = "letters, digits, - and _, the first no - or _, 64 at most"
MOST_STEPS_IN_FLOW: Final = 200
PARTIES: Final = ("to", "from", "from_user")
A_STEP: Final = "the name of a step"
MOST_FAULTS: Final = 200  # reported of a file: an author with so many mends these first


def load(path: Path, settings: Mapping[str, Any]) -> FlowFile:
    """The flows file at *path*; *settings* is what expressions have under `settings`. Raises FlowFileFaults."""
    try:
        text = yaml_source.text_of(path)
    except Faults as wrong:
        raise FlowFileFaults(wrong.faults, [path]) from wrong
    return read(text, str(path), settings)


def read(text: str, name: str, settings: Mapping[str, Any]) -> FlowFile:
    """The flows file with this *text* and *name*. Raises FlowFileFaults."""
    watched = [Path(name)]
    try:
        reader = _FileReader(yaml_source.read(text, name), settings, watched)
        routes = reader.routes_of_all()
        if reader.faults:
            raise Faults(reader.faults)
    except Faults as wrong:
        faults = wrong.faults
        if len(faults) > MOST_FAULTS:
            more = f"and {len(faults) - MOST_FAULTS:,} more from here on"
            faults = (*faults[:MOST_FAULTS], faults[MOST_FAULTS]._replace(field="", words=more))
        raise FlowFileFaults(faults, watched) from None
    return FlowFile(
        file=Path(name),
        text=text,
        version=_version(text.encode()),
        loaded=datetime.now(UTC),
        routes=routes,
        flows={name: flow for name, flow in reader.flows.items() if flow},
        hours={name: hours for name, hours in reader.hours.items() if hours},
        watched=tuple(dict.fromkeys(watched)),
        rooms=reader.rooms,
        advices=Faults(reader.advices).faults,
    )


def _version(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()[:8]


class _FileReader(FlowReader):
    """Reads the parts of a file. A part that has a fault is None, but known by its name."""

    def __init__(self, file: Located, settings: Mapping[str, Any], watched: list[Path]) -> None:
        super().__init__(file, settings)
        self._watched = watched
        self.rooms: bool | frozenset[str] = True
        self.flows: dict[str, Flow | None] = {}
        self._drafts: dict[str, Mapping[str, Draft]] = {}  # by flow
        self._starts: dict[str, str] = {}
        self._leads_to: dict[str, set[str]] = {}

    def routes_of_all(self) -> tuple[Route, ...]:
        """The routes, once everything that they refer to has been read."""
        if (file := self.mapping(self.file.value, (), "a file with `routes` and `flows`")) is None:
            return ()
        self.fields(file, ("routes", "flows", "hours", "rooms"), ())
        for name in ("routes", "flows"):
            if name not in file:
                self.wrong((name,), "is missing")
        if "hours" in file:
            each = self.mapping(file["hours"], ("hours",), "names and opening hours") or {}
            for name, value in each.items():
                self._name(name, ("hours", name))
                self.hours[name] = hours.read(self, value, ("hours", name), name)
        if "flows" in file:
            flows = self.mapping(file["flows"], ("flows",), "names and flows") or {}
            self.flows = {name: self._flow(name, flow) for name, flow in flows.items()}
            self._lead_on()
        if "rooms" in file:
            self.rooms = self._rooms(file["rooms"])
        return self._routes(file["routes"]) if "routes" in file else ()

    def _rooms(self, value: Any) -> bool | frozenset[str]:
        if isinstance(value, bool):
            return value
        if not isinstance(value, list):
            self.wrong(("rooms",), "must be true, false, or a list of flows")
            return True
        for index, name in enumerate(value):
            if not isinstance(name, str) or name not in self.flows:
                self.wrong(("rooms", index), "is no flow of this file")
        return frozenset(name for name in value if isinstance(name, str))

    # Routes.

    def _routes(self, value: Any) -> tuple[Route, ...]:
        if (items := self.items(value, ("routes",))) is None:
            return ()
        if not items:
            self.wrong(("routes",), "is empty: no call would get a flow")
        routes = [self._route(item, ("routes", index)) for index, item in enumerate(items)]
        taken: dict[str, list[Route]] = {}  # by the only party they are for: there may be thousands
        for index, route in enumerate(routes):
            if route is None:
                continue
            party = _only_party(route)
            before = (earlier for key in dict.fromkeys(("", party)) for earlier in taken.get(key, ()))
            if first := next((earlier for earlier in before if routing.shadowed(earlier, route)), None):
                self.wrong(("routes", index), f"is never taken: the one in line {first.line} takes all its calls")
            taken.setdefault(party, []).append(route)
        for name in self.hours:
            if name not in self.hours_used and not self.hours_unclear:
                self.wrong(("hours", name), "are never used: by no route, and no expression", key=True)
        return tuple(route for route in routes if route)

    def _route(self, value: Any, path: Steps) -> Route | None:
        if (options := self.mapping(value, path, "a route, as in `flow: name`")) is None:
            return None
        begun = len(self.faults)
        self.fields(options, ("flow", "when", *PARTIES), path)
        flow = self._named_flow(options, (*path, "flow"))
        to, from_, from_user = (
            self._pattern(options[party], (*path, party)) if party in options else None for party in PARTIES
        )
        if {"from", "from_user"} <= options.keys():
            # https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
            words = "is beside `from`, so that the route is never taken: a caller has one of the two"
            self.wrong((*path, "from_user"), words, key=True)
        when, closed = self._when(options["when"], (*path, "when")) if "when" in options else (None, False)
        if len(self.faults) > begun or ("when" in options and when is None):
            return None
        line = self.line(path)
        return Route(flow=flow, to=to, from_=from_, from_user=from_user, when=when, closed=closed, line=line)

    def _named_flow(self, options: Mapping[str, Any], path: Steps) -> str:
        if "flow" not in options:
            self.wrong(path, "is missing: which flow do these calls get?")
            return ""
        name = self.written_out(options["flow"], path, "the name of a flow")
        if name is not None and name not in self.flows:
            self.wrong(path, f"there is no flow {name}{self.meant(name, self.flows)}")
        return name or ""

    def _pattern(self, value: Any, path: Steps) -> str | None:
        text = self.written_out(value, path)
        if text is not None and (words := routing.pattern_fault(text)):
            self.wrong(path, words)
        return text

    def _when(self, value: Any, path: Steps) -> tuple[Hours | None, bool]:
        wanted = "the name of opening hours, or `not` and their name"
        if (text := self.written_out(value, path, wanted)) is None:
            self.hours_unclear = True
            return None, False
        *no, name = text.split()
        if no not in ([], ["not"]):
            self.hours_unclear = True
            self.wrong(path, f"must be {wanted}")
        elif name not in self.hours:
            self.wrong(path, f"there are no hours {name}{self.meant(name, self.hours)}")
            self.hours_unclear = True
        self.hours_used.add(name)
        return self.hours.get(name), bool(no)

    # Flows.

    def _flow(self, name: str, value: Any) -> Flow | None:
        path: Steps = ("flows", name)
        self._name(name, path)
        if isinstance(value, list):
            return self._flow_of_steps(name, {}, value, {START: steps.read(self, value, path, START)}, path)
        if (options := self.mapping(value, path, "a list of actions, or a mapping with `steps`")) is None:
            return None
        if "about" in options:
            self.written_out(options["about"], (*path, "about"))
        if "python" in options:
            return self._python(name, options, path)
        self.fields(options, ("about", "steps", "start", "detected"), path)
        if "steps" not in options:
            self.wrong(path, "has no `steps`, nor `python`")
            return None
        return self._flow_of_steps(name, options, options, self._steps(options["steps"], (*path, "steps")), path)

    def _steps(self, value: Any, path: Steps) -> dict[str, Draft]:
        each = self.mapping(value, path, "names and steps") or {}
        if len(each) > MOST_STEPS_IN_FLOW:
            self.wrong(path, f"has {len(each)} steps, but must have {MOST_STEPS_IN_FLOW} at most", key=True)
            return {}
        for name in each:
            self._name(name, (*path, name))
        return {name: steps.read(self, actions, (*path, name), name) for name, actions in each.items()}

    def _flow_of_steps(
        self, name: str, options: Mapping[str, Any], said: Any, drafts: Mapping[str, Draft], path: Steps
    ) -> Flow | None:
        """The flow *name* of *drafts*; *said* is what the version is made of."""
        if not drafts:
            return None
        start, roots = next(iter(drafts)), list[Link]()
        if "start" in options:
            start = self.written_out(options["start"], (*path, "start"), A_STEP) or start
        roots.append(Link(start, "otherwise", (*path, "start")))
        detected = self._detected(options["detected"], (*path, "detected"), roots) if "detected" in options else {}
        graph.check(self, drafts, roots)
        self._drafts[name], self._starts[name] = drafts, start
        return Flow(
            name=name,
            version=_version(_canonical(said)),
            about=options.get("about", ""),
            steps={name: draft.step for name, draft in drafts.items()},
            start=start,
            detected=detected,
            uses=frozenset[tuple[str, ...]]().union(*(draft.uses for draft in drafts.values())),
        )

    def _detected(self, value: Any, path: Steps, roots: list[Link]) -> dict[str, str]:
        each = self.mapping(value, path, f"steps by what was detected: {', '.join(DETECTIONS)}") or {}
        self.fields((word for word in each if not meant.has_mark(word)), DETECTIONS, path)
        found: dict[str, str] = {}
        for word, named in each.items():
            if meant.has_mark(word):
                known = meant.plain(word) in DETECTIONS
                self.advise((*path, word), meant.NEEDLESS if known else meant.SERVED, key=True)
            if step := self.written_out(named, (*path, word), A_STEP):
                found[meant.plain(word).lower()] = step  # as events are read
                roots.append(Link(step, "otherwise", (*path, word)))
        return found

    def _python(self, name: str, options: Mapping[str, Any], path: Steps) -> Flow | None:
        for other in ("steps", "start", "detected"):
            if other in options:
                self.wrong((*path, other), "cannot be beside `python`: leave one of them out", key=True)
        self.fields(options.keys() - {"steps", "start", "detected"}, ("about", "python"), path)
        path = (*path, "python")
        if (spec := self.written_out(options["python"], path, "a function, as in package.module:function")) is None:
            return None
        self._watched += python_modules.files_of(spec)
        try:
            function, file = python_modules.load(spec)
            code = file.read_bytes()
        except (OSError, ValueError) as fault:
            self.wrong(path, str(fault))
            return None
        about = options.get("about", "")
        return Flow(name=name, version=_version(_canonical(options), code), about=about, python=function)

    def _lead_on(self) -> None:
        """Flows that lead to others: those must be there, and none may have itself in it."""
        for name, drafts in self._drafts.items():
            for target, path in (lead for draft in drafts.values() for lead in draft.flows):
                if target not in self.flows:
                    self.wrong(path, f"there is no flow {target}{self.meant(target, self.flows)}")
            self._leads_to[name] = {target for draft in drafts.values() for target, _ in draft.flows}
        begun = {
            name: [lead for step in graph.included(drafts, self._starts[name]) for lead in drafts[step].flows]
            for name, drafts in self._drafts.items()
        }
        at_once = {name: {target for target, _ in leads} for name, leads in begun.items()}
        for name, leads in begun.items():
            for target, path in leads:
                if name == target or name in graph.all_after(target, at_once):
                    self.wrong(path, f"flow {name} would have itself in it without end")
                    break
        for name, flow in self.flows.items():
            if flow and (after := graph.all_after(name, self._leads_to)):
                self.flows[name] = replace(flow, leads_to=frozenset(after))

    def _name(self, name: str, path: Steps) -> None:
        if not NAME.fullmatch(name):
            self.wrong(path, f"is no name: {NAMED}", key=True)


def _only_party(route: Route) -> str:
    """The only called party that *route* is for, always written the same way; "" if it is for more than one."""
    text = route.to or routing.ANY
    return "" if text.endswith(routing.ANY) or text == routing.NUMBER else digits(text) or text.casefold()


def _canonical(value: Any) -> bytes:
    """*value* as JSON in one form only. The order of names is kept: a call begins at the first step."""
    return json.dumps(value, separators=(",", ":")).encode()
