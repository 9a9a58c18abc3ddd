"""`flask hold`, `flask hangup` and so on: acting on calls, over the API of a server that runs (docs/control.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from app.calls.done import STATES, VERBS
from app.cli.client import Client, detail, to_option
from app.cli.conversation_text import to_json
from app.domain.numbers import digits
from vonage_simulator.printable import safe

if TYPE_CHECKING:  # slow to import
    from requests import Response

WAITS: Final = 15.0  # seconds for an action to be confirmed; docs/control.md says when each is
LOOKS_EVERY: Final = 0.5
OPEN: Final = ("requested", "accepted")  # states of an action that will be another

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Where a command acts, and in which form it prints what came of it."""

    client: Client
    as_json: bool

    def act(self, path: str, body: Json | None = None) -> None:
        """Request an action, wait until it is confirmed, and print it. Raises ClickException if it was not done."""
        action = self._action(self.client.post(path, body or {}))
        until = time.monotonic() + WAITS
        while action["state"] in OPEN and time.monotonic() < until:
            time.sleep(LOOKS_EVERY)
            action = self._action(self.client.get(f"/api/v1/actions/{action['id']}"))
        click.echo(to_json(action) if self.as_json else _line(action))
        if action["state"] not in (*OPEN, "confirmed"):
            raise click.ClickException("It was not done, as far as is known.")

    def on_leg(self, leg: str, verb: str, body: Json | None = None) -> None:
        """The same with the leg *leg*."""
        self.act(f"/api/v1/legs/{quoted(leg)}/{verb}", body)

    def _action(self, response: Response) -> Json:
        """The action in a response. Raises ClickException with what is wrong."""
        return self.read(response, "id", "state", "verb", "leg")

    def read(self, response: Response, *fields: str) -> Json:
        """What a response says, which has *fields*. Raises ClickException with what is wrong."""
        try:
            found = response.json()
        except ValueError:
            found = None
        if isinstance(found, dict) and response.ok and found.keys() >= {*fields}:
            return found
        if not response.is_redirect and not (isinstance(found, dict) and "detail" in found):
            raise self.client.no_switchhook()
        if self.as_json:
            click.echo(to_json(found or {}))
        faults = (found or {}).get("errors", {})
        lines = [detail(response), *(f"  {name}: {json.dumps(what)}" for name, what in faults.items())]
        raise click.ClickException("\n".join(map(safe, lines)))


def _line(action: Json) -> str:
    """An action in one line: what, to what, what came of it."""
    of = f"leg {action['leg']}" if action["leg"] else f"conversation {action['conversation_uuid']}"
    said = f": {action['vonage_detail']}" if action["vonage_detail"] else ""
    state = STATES.get(action["state"], action["state"])
    return safe(f"{VERBS.get(action['verb'], action['verb'])}: {state}{said}  ({of}, action {action['id'] or '-'})")


def quoted(id_: str) -> str:
    """*id_* as a part of an address."""
    return quote(id_, safe="", errors="surrogatepass")


def acts(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the server that its options name. To be the innermost decorator."""

    @to_option
    @click.option("--json", "as_json", is_flag=True, help="Print the action as the API returns it.")
    @wraps(command)
    def run(*args: Any, url: str | None, as_json: bool, **kwargs: Any) -> None:
        command(Server(Client(url), as_json), *args, **kwargs)

    return run


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is done that cannot be taken back, unless *yes*. Raises Abort."""
    if not yes:
        click.confirm(safe(question), abort=True, err=True)


leg_argument = click.argument("leg", metavar="LEG")


def _plain(verb: str, about: str) -> click.Command:
    """A command that needs nothing but a leg."""

    @click.command(verb, help=f"{about}\n\nLEG is its uuid; that of a call's first leg is the call's id.")
    @leg_argument
    @acts
    def command(server: Server, leg: str) -> None:
        server.on_leg(leg, verb)

    return command


@click.command("hangup")
@leg_argument
@yes_option
@acts
def hangup(server: Server, leg: str, yes: bool) -> None:
    """Hang up a leg. That it has ended already is no error.

    LEG is its uuid; that of a call's first leg is the call's id.
    """
    confirm(f"Hang up leg {leg}?", yes=yes)
    server.on_leg(leg, "hangup")


@click.command("say")
@leg_argument
@click.argument("text", required=False)
@click.option("--language", help="BCP-47, as fr-FR; en-US by default.")
@click.option("--loop", type=click.IntRange(0), help="How often; 0 for ever.")
@click.option("--stop", is_flag=True, help="Stop what is said.")
@acts
def say(server: Server, leg: str, text: str | None, language: str | None, loop: int | None, stop: bool) -> None:
    """Say TEXT to a leg, while its script goes on."""
    _start_or_stop(server, leg, "talk", {"text": text, "language": language, "loop": loop}, "TEXT", stop=stop)


@click.command("play")
@leg_argument
@click.argument("file", metavar="ADDRESS", required=False)
@click.option("--loop", type=click.IntRange(0), help="How often; 0 for ever.")
@click.option("--stop", is_flag=True, help="Stop what is played.")
@acts
def play(server: Server, leg: str, file: str | None, loop: int | None, stop: bool) -> None:
    """Play the audio file at ADDRESS, https://…, to a leg, while its script goes on."""
    _start_or_stop(server, leg, "stream", {"url": file, "loop": loop}, "ADDRESS", stop=stop)


def _start_or_stop(server: Server, leg: str, verb: str, body: Json, name: str, *, stop: bool) -> None:
    known = {field: value for field, value in body.items() if value is not None}
    if stop == bool(known):
        raise click.UsageError(f"Give either {name} or --stop.")
    server.on_leg(leg, f"{verb}/stop" if stop else verb, known)


@click.command("keys")
@leg_argument
@click.argument("digits_", metavar="KEYS")
@acts
def keys(server: Server, leg: str, digits_: str) -> None:
    """Send KEYS to a leg as tones: digits, * and #; p is a pause of half a second."""
    server.on_leg(leg, "dtmf", {"digits": digits_})


def script_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options for what a leg runs."""
    command = click.option("--step", help="A step of the flow; by default its first.")(command)
    command = click.option("--flow", help="A call flow of the server.")(command)
    return click.option("--ncco", type=click.File(), help="A file with an NCCO; - reads it from the input.")(command)


def _script(ncco: IO[str] | None, flow: str | None, step: str | None) -> Json:
    """What a leg is to run, as the API takes it."""
    if (ncco is None) == (flow is None) or (step and not flow):
        raise click.UsageError("Give either --ncco, or --flow, and --step if it is not to be its first.")
    if ncco is None:
        return {"flow": flow, **({"step": step} if step else {})}
    try:
        return {"ncco": json.load(ncco)}
    except ValueError as error:
        raise click.ClickException(f"{ncco.name} is not JSON: {error}") from error


@click.command("transfer")
@leg_argument
@script_options
@acts
def transfer(server: Server, leg: str, ncco: IO[str] | None, flow: str | None, step: str | None) -> None:
    """Let a leg go on with a call flow or an NCCO, by itself: whoever it talks to stays behind."""
    server.on_leg(leg, "transfer", _script(ncco, flow, step))


@click.command("record")
@click.argument("conversation", metavar="CONVERSATION")
@click.argument("action", type=click.Choice(["start", "pause", "resume", "stop"]))
@acts
def record(server: Server, conversation: str, action: str) -> None:
    """Start, pause, resume or stop the recording of a conversation; `flask call` shows its id."""
    server.act(f"/api/v1/conversations/{quoted(conversation)}/record", {"action": action})


@click.command("place")
@click.argument("whom", metavar="WHOM")
@click.option("--from", "from_", help="The number that is shown; default: CALLER_NUMBER of the server.")
@script_options
@acts
def place(
    server: Server, whom: str, from_: str | None, ncco: IO[str] | None, flow: str | None, step: str | None
) -> None:
    """Call WHOM: a telephone number, a sip: address, a user of the application, or an endpoint as JSON."""
    body = {"to": endpoint(whom), **_script(ncco, flow, step)}
    server.act("/api/v1/calls", body | ({"from": digits(from_) or from_} if from_ else {}))


def endpoint(whom: str) -> Json:
    """*whom* as in a `connect` action."""
    if whom.startswith("{"):
        try:
            return dict(json.loads(whom))
        except ValueError as error:
            raise click.BadParameter(f"it is not JSON: {error}", param_hint="WHOM") from error
    if whom.startswith(("sip:", "sips:")):
        return {"type": "sip", "uri": whom}
    number = digits(whom)
    return {"type": "phone", "number": number} if number else {"type": "app", "user": whom}


COMMANDS: Final = (
    hangup,
    _plain("mute", "Let nobody hear a leg."),
    _plain("unmute", "Let a leg be heard again."),
    _plain("earmuff", "Let a leg hear nobody."),
    _plain("unearmuff", "Let a leg hear the others again."),
    _plain("hold", "Put a leg on hold."),
    _plain("resume", "Take a leg off hold."),
    transfer,
    record,
    place,
    say,
    play,
    keys,
)
