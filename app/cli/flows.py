"""`flask flows check`, `show` and `try`: what is wrong with a flows file, and what callers get by it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from app.api.flows import told_route
from app.cli.caller import Caller, party, who_calls
from app.flows.model import FlowFile, RenderFault, Route
from app.flows.reply import LAST_RESORT
from app.flows.request import Request
from app.services import build_flows, services
from app.terminal import safe
from app.web.logs import LOGGERS
from vonage_simulator import yaml_source
from vonage_simulator.yaml_source import Fault

if TYPE_CHECKING:
    from app.flows.flows import Flows

# Vonage always tells these two; here they are nobody's.
LEG, CONVERSATION = "0" * 32, "CON-00000000-0000-4000-8000-000000000000"
STATE: Final = re.compile(r"([?&]state=)[\w=-]+", re.ASCII)
KEYS: Final = re.compile(r"[0-9*#,]*")


@contextmanager
def unlogged() -> Iterator[None]:
    """Meanwhile nothing is logged: whoever asks tells what there is to tell. An app that is made meanwhile, and sets up
    the log for itself, changes nothing for those that were there before.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:], logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)


@click.group("flows")
def flows() -> None:
    """The call flows: what callers hear."""


@flows.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
def check(files: tuple[Path, ...]) -> None:
    """Name all that is wrong with FILE, one fault a line. Without FILE: with the one at FLOWS_FILE.

    Ends with 1 if there is any fault.
    """
    wrong = False
    for file in files or (file_at(None),):
        found = read(file).reloader
        if found.faults:
            wrong = True
            click.echo(_faults_of(file, found.faults))
        elif found.flow_file:
            some = "" if _fits_every_call(found.flow_file.routes) else "; calls that no route fits hear the last resort"
            click.echo(safe(f"{file}: {_summary(found.flow_file)}: no fault{some}"))
    if wrong:
        raise click.exceptions.Exit(1)


@flows.command("show")
@click.argument("number")
@who_calls
@click.option("--step", metavar="NAME", help="Show this step of the flow; default: the one a call begins with.")
@click.option("--json", "as_json", is_flag=True, help="For programs: all of it as one JSON object.")
def show(
    number: str,
    caller: Caller,
    at: datetime | None,
    file: Path | None,
    step: str | None,
    as_json: bool,
) -> None:
    """Show what a caller gets who dials NUMBER: which route is taken, and the NCCO.

    NUMBER may be a name, too: whom an app user calls. What a call takes along from step to step is left out of the
    addresses. Ends with 1 if the caller would hear the last resort.
    """
    to, file = party(number, "NUMBER"), file_at(file)
    found = without_fault(file)
    with unlogged():
        at = at or datetime.now(UTC)
        is_app = caller.endpoint == "app"
        request = Request(
            from_=None if is_app else caller.name,
            from_user=caller.name if is_app else None,
            to=to,
            uuid=LEG,
            conversation_uuid=CONVERSATION,
            endpoint_type=caller.endpoint,
            custom_data=caller.custom_data or {},
            headers=caller.headers,
        )
        try:
            route = told_route(found.route(request, at))
        except RenderFault as fault:
            raise _last_resort(str(fault)) from fault
        if step is None:
            served = found.answer(request, at)
        else:
            _look_for(step, found, route["flow"])
            served = found.enter(route["flow"], step, None, request) or LAST_RESORT
    if not as_json:
        click.echo(safe(f"{file}, line {route['line']}: {_conditions(route)} gets flow {route['flow']}"))
    if served.fault is not None:
        raise _last_resort(served.fault)
    ncco = _shortened(served.ncco)
    if as_json:
        told = {"route": route, "flow": served.flow, "step": served.step, "version": served.version, "ncco": ncco}
        click.echo(json.dumps(told, indent=2).replace("\x7f", r"\u007f"))
        return
    click.echo(safe(f"Step {served.step}, version {served.version}:") + "\n")
    click.echo(yaml_source.write(ncco), nl=False)


@flows.command("try")
@click.argument("number")
@who_calls
@click.option("--digits", metavar="KEYS", help="What the caller presses: 1,12# is 1 first, 12# at the next input.")
@click.option("--says", metavar="WORDS", multiple=True, help="What the caller says; once for each input that listens.")
@click.option("--hang-up-after", type=click.FloatRange(0), metavar="SECONDS", help="When the caller hangs up.")
@click.option("--busy", metavar="NUMBER", multiple=True, help="Who is busy when rung; anybody else answers.")
@click.option("--never-answers", metavar="NUMBER", multiple=True, help="Who does not pick up.")
def try_(
    number: str,
    caller: Caller,
    at: datetime | None,
    file: Path | None,
    digits: str | None,
    says: tuple[str, ...],
    hang_up_after: float | None,
    busy: tuple[str, ...],
    never_answers: tuple[str, ...],
) -> None:
    """Place a simulated call to NUMBER, and show how it goes. No server has to run, and nothing is kept.

    Time jumps, so that it is over at once. Ends with 1 if something went wrong, or the last resort was served.
    """
    from app.cli.trying import tried
    from vonage_simulator.harness import CallTrouble
    from vonage_simulator.scenario import FarEnd

    to, file = party(number, "NUMBER"), file_at(file)
    if not KEYS.fullmatch(digits or ""):
        raise click.BadParameter("0 to 9, * and #, with a comma between two inputs", param_hint="--digits")
    callees = {party(name, "--busy"): FarEnd(does="busy") for name in busy}
    for name in never_answers:
        if (whom := party(name, "--never-answers")) in callees:
            raise click.BadParameter(f"{safe(name)} is busy already", param_hint="--never-answers")
        callees[whom] = FarEnd(does="never_answers")
    without_fault(file)
    try:
        with unlogged():
            done = tried(
                services().settings,
                file,
                at=at,
                from_=caller.name,
                to=to,
                endpoint=caller.endpoint,
                headers=caller.headers,
                custom_data=caller.custom_data,
                digits=digits.split(",") if digits is not None else (),
                says=says,
                hangs_up_after=hang_up_after,
                callees=callees,
            )
    except yaml_source.Faults as wrong:  # what cannot be in a call, as the simulator names it
        raise click.UsageError("\n".join(safe(f"{one.field}: {one.words}") for one in wrong.faults)) from wrong
    except CallTrouble as trouble:
        raise click.ClickException("\n".join(map(_line, str(trouble).splitlines()))) from trouble
    click.echo("\n".join(map(_line, str(done).split("\n"))))
    click.echo("\n" + safe(f"Served: {' → '.join(done.steps)}"))
    if unrung := [name for name in callees if name not in done.rung]:
        click.echo(safe(f"Never rung: {', '.join(unrung)}"))
    if done.troubles:
        raise click.ClickException("\n".join(map(_line, done.troubles)))


def file_at(file: Path | None) -> Path:
    """*file*, or the one at FLOWS_FILE, as seen from here."""
    found = file or services().settings.flows_file
    return found.relative_to(Path.cwd()) if found.is_absolute() and found.is_relative_to(Path.cwd()) else found


def read(file: Path) -> Flows:
    """The flows in *file*; what is wrong with it is on their shelf."""
    found = build_flows(replace(services().settings, flows_file=file))
    with unlogged():
        found.reloader.look()
    return found


def without_fault(file: Path) -> Flows:
    """The flows in *file*. Prints what is wrong with it, and ends the command, if anything is."""
    found = read(file)
    if found.reloader.faults:
        click.echo(_faults_of(file, found.reloader.faults))
        raise click.exceptions.Exit(1)
    return found


def _faults_of(file: Path, faults: Iterable[Fault]) -> str:
    lines = [str(fault) for fault in faults]
    return "\n".join(map(safe, [*lines, f"{count(len(lines), 'fault')} in {file}"]))


def _summary(flow_file: FlowFile) -> str:
    return (
        f"{count(len(flow_file.routes), 'route')}, {count(len(flow_file.flows), 'flow')}, version {flow_file.version}"
    )


def _fits_every_call(routes: Iterable[Route]) -> bool:
    """Whether there is a route for every call: one without conditions, or one for some hours and one for the rest."""
    always = {(route.when and route.when.name, route.closed) for route in routes if not _parties(route)}
    return any(hours is None or (hours, not closed) in always for hours, closed in always)


def _parties(route: Route) -> bool:
    return any((route.to, route.from_, route.from_user))


def count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _look_for(step: str, found: Flows, name: str) -> None:
    """Raise UsageError if the flow *name* has no such step, or none that can be shown."""
    flow = found.reloader.flow_file.flows[name] if found.reloader.flow_file else None
    if flow and flow.python:
        words = "is written in Python: `show` has nothing that came back to give it. `flask flows try` goes through it"
        raise click.BadParameter(safe(f"flow {name} {words}"), param_hint="--step")
    if flow and step not in flow.steps:
        raise click.BadParameter(safe(f"flow {name} has {', '.join(flow.steps)}"), param_hint="--step")


def _conditions(route: dict[str, Any]) -> str:
    """Which calls a route is for, in its own words."""
    told = [f"{name.replace('_', '-')} {route[name]}" for name in ("from", "from_user", "to", "when") if route[name]]
    return ", ".join(told) or "any call"


def _last_resort(why: str) -> click.ClickException:
    return click.ClickException(safe(f"the last resort is served: {why}"))


def _line(text: str) -> str:
    return safe(STATE.sub(r"\1…", text))


def _shortened(value: Any) -> Any:
    """*value* without what a call takes along in addresses."""
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return STATE.sub(r"\1…", value) if isinstance(value, str) else value
