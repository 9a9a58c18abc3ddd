"""`flask flows`: what is wrong with a flows file, what callers get by it, and what runs in its place elsewhere."""

from __future__ import annotations

import difflib
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from app import located
from app.api.flows import told_route
from app.cli.server import SECONDS, address_of, detail, reached, token_of
from app.domain.numbers import digits
from app.flows.book import Book, RenderFault, Route
from app.flows.request import Request
from app.flows.served import LAST_RESORT
from app.located import Fault
from app.logs import LOGGERS
from app.services import build_flows, services
from app.terminal import safe

if TYPE_CHECKING:
    from app.flows.flows import Flows

CALLER: Final = "447700900123"  # Ofcom keeps it free for drama
# Vonage always tells these two; here they are nobody's.
LEG, CONVERSATION = "0" * 32, "CON-00000000-0000-4000-8000-000000000000"
STATE: Final = re.compile(r"([?&]state=)[\w=-]+", re.ASCII)
KEYS: Final = re.compile(r"[0-9*#,]*")
# Of a caller's SIP headers these come with the answer webhook; the rest, and Vonage's own, do not.
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
HANDED_ON: Final = re.compile(r"user-to-user|x-(?!nexmo)[\w.!%*+`'~-]+", re.ASCII | re.IGNORECASE)
AGAINST: Final = "default: the one at FLOWS_FILE"


class Moment(click.ParamType):
    """A time as in ISO 8601; UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that *value* is."""
        try:
            return value if isinstance(value, datetime) else moment(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


def moment(text: str) -> datetime:
    """The time that *text* is, as in ISO 8601; UTC where it names no zone. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("give a time as in 2026-12-24T17:45 (UTC) or 2026-12-24T17:45+01:00") from None
    if not 1970 <= at.year <= 9000:  # near the ends of the calendar there is no day before, or none after
        raise ValueError("no call is from that time")
    return at


class CustomData(click.ParamType):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The object that *value* is."""
        try:
            told = json.loads(value)
            json.dumps(told, allow_nan=False, ensure_ascii=False).encode()  # no NaN, and no half a character
        except (ValueError, RecursionError) as wrong:
            words = f"{wrong.msg} at character {wrong.pos}" if isinstance(wrong, json.JSONDecodeError) else str(wrong)
            self.fail(f"""this is no JSON ({safe(words)}): give an object, as in '{{"order": "4711"}}'""", param, ctx)
        if not isinstance(told, dict):
            self.fail("""give a JSON object, as in '{"order": "4711"}': Vonage hands on no other""", param, ctx)
        return told


class Header(click.ParamType):
    """A SIP header: name and value."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The two parts of *value*."""
        name, sign, content = value.partition("=")
        if not name or not sign or not content.isprintable():
            self.fail("give it as in X-UserId=1938ND9", param, ctx)
        if not HANDED_ON.fullmatch(name):
            words = "Vonage hands on headers that begin with X- (but not with X-Nexmo), and User-to-User; not"
            self.fail(safe(f"{words} {name}"), param, ctx)
        return name, content


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, what with, and what they send along."""

    name: str
    endpoint: Literal["phone", "sip", "app"]
    headers: Mapping[str, str]
    custom_data: dict[str, Any] | None


def who_calls(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options that say who calls (its `caller`), when, and against which file."""

    @wraps(command)
    def called(
        *,
        from_: str | None,
        from_user: str | None,
        headers: tuple[tuple[str, str], ...],
        custom_data: dict[str, Any] | None,
        **rest: Any,
    ) -> None:
        command(caller=_caller(from_, from_user, dict(headers), custom_data), **rest)

    for option in (
        click.option("--custom-data", type=CustomData(), metavar="JSON", help="What the app user's page sends along."),
        click.option(
            "--header",
            "headers",
            type=Header(),
            multiple=True,
            metavar="NAME=VALUE",
            help="A SIP header, as the caller sends it; may be given several times. The call comes by SIP then.",
        ),
        click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help=f"The flows file; {AGAINST}."),
        click.option("--at", type=Moment(), metavar="TIME", help="As if it were this time; without a zone it is UTC."),
        click.option("--from-user", metavar="NAME", help="Who calls, where it is an app user."),
        click.option("--from", "from_", metavar="NUMBER", help=f"Who calls: a number or SIP address; else {CALLER}."),
    ):
        called = option(called)
    return called


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
    for file in files or (_file(None),):
        found = _read(file).shelf
        if found.faults:
            wrong = True
            click.echo(_faults_of(file, found.faults))
        elif found.book:
            some = "" if _fits_every_call(found.book.routes) else "; calls that no route fits hear the last resort"
            click.echo(safe(f"{file}: {_summary(found.book)}: no fault{some}"))
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
    to, file = _party(number, "NUMBER"), _file(file)
    found = _without_fault(file)
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
            route = told_route(found.chosen(request, at))
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
    click.echo(located.write(ncco), nl=False)


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
    from app.simulator.rehearsal import CallTrouble
    from app.simulator.scenario import FarEnd

    to, file = _party(number, "NUMBER"), _file(file)
    if not KEYS.fullmatch(digits or ""):
        raise click.BadParameter("0 to 9, * and #, with a comma between two inputs", param_hint="--digits")
    callees = {_party(name, "--busy"): FarEnd(does="busy") for name in busy}
    for name in never_answers:
        if (party := _party(name, "--never-answers")) in callees:
            raise click.BadParameter(f"{safe(name)} is busy already", param_hint="--never-answers")
        callees[party] = FarEnd(does="never_answers")
    _without_fault(file)
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
    except located.Faults as wrong:  # what cannot be in a call, as the simulator names it
        raise click.UsageError("\n".join(safe(f"{one.field}: {one.words}") for one in wrong.faults)) from wrong
    except CallTrouble as trouble:
        raise click.ClickException("\n".join(map(_line, str(trouble).splitlines()))) from trouble
    click.echo("\n".join(map(_line, str(done).split("\n"))))
    click.echo("\n" + safe(f"Served: {' → '.join(done.steps)}"))
    if unrung := [name for name in callees if name not in done.rung]:
        click.echo(safe(f"Never rung: {', '.join(unrung)}"))
    if done.troubles:
        raise click.ClickException("\n".join(map(_line, done.troubles)))


@flows.command("diff")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--to", "url", metavar="URL", help="The server; default: the one `make run` starts.")
def diff(file: Path | None, url: str | None) -> None:
    """Show in what FILE differs from the flows that run at a server. Without FILE: the one at FLOWS_FILE.

    Asked with an operator's token of ACCESS_TOKENS, or the one made for development. Ends with 1 if they differ.
    """
    settings, file = services().settings, _file(file)
    base = address_of(settings, url)
    runs = _running(base, token_of(settings))
    own = _without_fault(file).shelf.book
    assert own is not None  # noqa: S101 - it has no fault
    for line in _state(runs, base):
        click.echo(safe(line))
    before, after = dict(runs.flows), {name: flow.version for name, flow in own.flows.items()}
    if runs.text == own.text and before == after:
        click.echo("no difference")
        return
    for line in _summaries(before, after):
        click.echo(safe(line))
    texts = difflib.unified_diff(
        (runs.text or "").split("\n"), own.text.split("\n"), f"what runs at {base}", str(file), lineterm=""
    )
    for line in texts:
        click.echo(safe(line))
    raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class Running:
    """What a server says of its flows."""

    file: str
    version: str | None
    loaded: str | None
    text: str | None
    flows: list[tuple[str, str]]  # name and version
    faults: list[Fault]


def _running(base: str, token: str) -> Running:
    """The flows that run at *base*. Raises ClickException."""
    import requests

    address, headers = f"{base}/api/v1/flows", {"Authorization": f"Bearer {token}"}
    answer = reached(partial(requests.get, address, headers=headers, timeout=SECONDS, allow_redirects=False), base)
    if answer.status_code in (401, 403):
        why = "does not know this token" if answer.status_code == 401 else "takes an operator's token, and this is none"
        words = f"the server there {why}. Set ACCESS_TOKENS=operator:… as it has it, in this shell."
        raise click.ClickException(safe(f"{address} answers {answer.status_code}: {words}"))
    if answer.status_code != 200:
        raise click.ClickException(safe(f"{address} answers {answer.status_code}: {detail(answer)}"))
    try:
        told = answer.json()
        file = str(told["file"])
        return Running(
            file=file,
            version=told["version"],
            loaded=told["loaded_at"],
            text=None if told["text"] is None else str(told["text"]),
            flows=[(str(flow["name"]), str(flow["version"])) for flow in told["flows"]],
            faults=[Fault(file, one["line"], one["column"], one["field"], one["words"]) for one in told["faults"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{base} answers, but is no Switchhook: --to names another.") from error


def _state(runs: Running, base: str) -> Iterator[str]:
    """What has to be said of a server that does not run what its own file says."""
    if runs.faults:
        yield f"At {base} the file has {_count(len(runs.faults), 'fault')}:"
        yield from (f"  {fault}" for fault in runs.faults)
    if runs.version is None:
        yield f"At {base} no flows run: callers hear the last resort."
    elif runs.faults:
        yield f"What runs there is older: version {runs.version}, read {runs.loaded}."


def _summaries(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """A line for each flow that differs."""
    names = [*before, *(name for name in after if name not in before)]
    differing = [name for name in names if before.get(name) != after.get(name)]
    for name in differing:
        if name not in after:
            yield f"removed  {name} ({before[name]})"
        elif name not in before:
            yield f"added    {name} ({after[name]})"
        else:
            yield f"changed  {name} ({before[name]} → {after[name]})"
    if not differing:
        yield "no flow differs, but the file does"


def _file(file: Path | None) -> Path:
    """*file*, or the one at FLOWS_FILE, as seen from here."""
    found = file or services().settings.flows_file
    return found.relative_to(Path.cwd()) if found.is_absolute() and found.is_relative_to(Path.cwd()) else found


def _read(file: Path) -> Flows:
    """The flows in *file*; what is wrong with it is on their shelf."""
    found = build_flows(replace(services().settings, flows_file=file))
    with unlogged():
        found.shelf.look()
    return found


def _without_fault(file: Path) -> Flows:
    """The flows in *file*. Prints what is wrong with it, and ends the command, if anything is."""
    found = _read(file)
    if found.shelf.faults:
        click.echo(_faults_of(file, found.shelf.faults))
        raise click.exceptions.Exit(1)
    return found


def _faults_of(file: Path, faults: Iterable[Fault]) -> str:
    lines = [str(fault) for fault in faults]
    return "\n".join(map(safe, [*lines, f"{_count(len(lines), 'fault')} in {file}"]))


def _summary(book: Book) -> str:
    return f"{_count(len(book.routes), 'route')}, {_count(len(book.flows), 'flow')}, version {book.version}"


def _fits_every_call(routes: Iterable[Route]) -> bool:
    """Whether there is a route for every call: one without conditions, or one for some hours and one for the rest."""
    always = {(route.when and route.when.name, route.closed) for route in routes if not _parties(route)}
    return any(hours is None or (hours, not closed) in always for hours, closed in always)


def _parties(route: Route) -> bool:
    return any((route.to, route.from_, route.from_user))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _caller(
    from_: str | None, from_user: str | None, headers: Mapping[str, str], custom_data: dict[str, Any] | None
) -> Caller:
    if from_ is not None and from_user is not None:
        raise click.UsageError("--from is a number, --from-user an app user: a call has one of them.")
    if headers and (from_user is not None or custom_data is not None):
        raise click.UsageError("--header is of a call by SIP; an app user has none, and sends --custom-data along.")
    if from_user is not None:
        return Caller(_party(from_user, "--from-user", is_name=True), "app", {}, custom_data)
    if custom_data is not None:
        raise click.UsageError("--custom-data is what an app user's page sends along: name them with --from-user.")
    name = _party(CALLER if from_ is None else from_, "--from")
    return Caller(name, "sip" if headers or name.lower().startswith(("sip:", "sips:")) else "phone", headers, None)


def _party(text: str, option: str, *, is_name: bool = False) -> str:
    """A number without plus, blanks and the like; a name or an address as it is."""
    if not text.strip():
        raise click.BadParameter("nobody is called nothing", param_hint=option)
    return text if is_name else digits(text) or text


def _look_for(step: str, found: Flows, name: str) -> None:
    """Raise UsageError if the flow *name* has no such step, or none that can be shown."""
    flow = found.shelf.book.flows[name] if found.shelf.book else None
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
