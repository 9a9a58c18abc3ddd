"""`flask transfers` and `flask conferences`: what takes several steps, over the API of a server that runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import click

from app.cli.acting import LOOKS_EVERY, WAITS, Json, Server, acts, confirm, endpoint, quoted, yes_option
from app.cli.conversation_text import to_json
from app.control.new_call import address_of
from vonage_simulator.printable import safe

TRANSFERS: Final = "/api/v1/transfers"
CONFERENCES: Final = "/api/v1/conferences"
OF_TRANSFER: Final = ("id", "status", "initiator_call", "transferred_call", "to")
OF_CONFERENCE: Final = ("conference_id", "host", "participants", "started", "finished")


def _list(server: Server, path: str, line: Callable[[Json], str], none: str) -> None:
    """Print all that have not ended."""
    found = server.read(server.client.get(path), "items")
    if server.as_json:
        click.echo(to_json(found))
        return
    for item in found["items"]:
        click.echo(line(item))
    if not found["items"]:
        click.echo(none)


# ---- Transfers


@click.group("transfers", invoke_without_command=True)
@click.pass_context
@acts
def transfers(server: Server, context: click.Context) -> None:
    """Transfers with a consultation, or blind. Without a command: those that have not ended."""
    if context.invoked_subcommand is None:
        _list(server, TRANSFERS, _transfer_line, "No transfer goes on.")


@transfers.command("begin")
@click.argument("leg", metavar="LEG")
@click.argument("whom", metavar="WHOM")
@click.option("--of", "other", metavar="LEG", help="Whom to transfer; needed if LEG talks to several.")
@click.option("--blind", is_flag=True, help="Leave at once, without talking to WHOM first.")
@click.option("--timeout", type=click.IntRange(1, 120), help="Seconds to ring; 30 by default.")
@acts
def begin_transfer(server: Server, leg: str, whom: str, other: str | None, blind: bool, timeout: int | None) -> None:
    """Let LEG transfer the other party to WHOM: a telephone number, a sip: address, or a user.

    The other party is put on hold while LEG talks to WHOM; then `flask transfers complete` leaves the two together.
    """
    body: Json = {"initiator_call": leg, "to": endpoint(whom), "flow": "blind" if blind else "attended"}
    body |= {"transferred_call": other} if other else {}
    body |= {"timeout": timeout} if timeout else {}
    _follow(server, server.client.post(TRANSFERS, body), lambda found: found["status"] != "starting")


@transfers.command("show")
@click.argument("id_", metavar="ID")
@acts
def show_transfer(server: Server, id_: str) -> None:
    """Show a transfer, also one that has ended."""
    _follow(server, server.client.get(f"{TRANSFERS}/{quoted(id_)}"), lambda _: True)


def _transfer_verb(verb: str, about: str) -> None:
    @transfers.command(verb, help=about)
    @click.argument("id_", metavar="ID")
    @acts
    def command(server: Server, id_: str) -> None:
        _follow(server, server.client.post(f"{TRANSFERS}/{quoted(id_)}/{verb}", {}), _is_settled)


for _verb, _about in (
    ("complete", "Leave the other two together."),
    ("swap", "Talk to the other one of the two; the one of now hears music."),
    ("merge", "Let all three talk: the transfer becomes a conference."),
):
    _transfer_verb(_verb, _about)


@transfers.command("cancel")
@click.argument("id_", metavar="ID")
@yes_option
@acts
def cancel_transfer(server: Server, id_: str, yes: bool) -> None:
    """Hang up the recipient, and let the other two talk again."""
    confirm(f"Cancel transfer {id_}? Its recipient is hung up.", yes=yes)
    _follow(server, server.client.send("DELETE", f"{TRANSFERS}/{quoted(id_)}"), _is_settled)


def _is_settled(transfer: Json) -> bool:
    return transfer["pending"] is None and transfer["status"] in ("answered", "blind_transferred", "ended")


def _follow(server: Server, response: Any, reached: Callable[[Json], bool]) -> None:
    """Print a transfer once it has *reached* something, or after some seconds."""
    found = server.read(response, *OF_TRANSFER)
    until = time.monotonic() + WAITS
    while not reached(found) and found["status"] != "ended" and time.monotonic() < until:
        time.sleep(LOOKS_EVERY)
        found = server.read(server.client.get(f"{TRANSFERS}/{quoted(found['id'])}"), *OF_TRANSFER)
    click.echo(to_json(found) if server.as_json else _transfer_line(found))


def _transfer_line(transfer: Json) -> str:
    whom = address_of(transfer["to"]) or "somebody"
    who = f"leg {transfer['initiator_call']} transfers leg {transfer['transferred_call']} to {whom}"
    if transfer["talking_to"]:
        who += f", and talks to {whom if transfer['talking_to'] == transfer['recipient_call'] else 'that leg'} now"
    became = f", conference {transfer['conference_id']}" if transfer.get("conference_id") else ""
    return safe(f"{transfer['status']}: {who}  (transfer {transfer['id']}{became})")


# ---- Conferences


@click.group("conferences", invoke_without_command=True)
@click.pass_context
@acts
def conferences(server: Server, context: click.Context) -> None:
    """Conferences of live calls. Without a command: those that have not ended."""
    if context.invoked_subcommand is None:
        _list(server, CONFERENCES, _conference_line, "No conference goes on.")


@conferences.command("begin")
@click.argument("host", metavar="HOST")
@click.argument("others", metavar="LEG...", nargs=-1, required=True)
@click.option("--hand-over", is_flag=True, help="When the host leaves, the others go on; else all are hung up.")
@acts
def begin_conference(server: Server, host: str, others: tuple[str, ...], hand_over: bool) -> None:
    """Make one conference of the calls that the leg HOST has with each LEG."""
    body: Json = {"host_call_id": host, "participant_call_ids": list(others)}
    body |= {"host_leaves": "hand_over"} if hand_over else {}
    _print(server, server.client.post(CONFERENCES, body))


@conferences.command("show")
@click.argument("id_", metavar="ID")
@acts
def show_conference(server: Server, id_: str) -> None:
    """Show a conference, also one that is over."""
    _print(server, server.client.get(_of(id_)))


@conferences.command("add")
@click.argument("id_", metavar="ID")
@click.argument("leg", metavar="LEG")
@acts
def add(server: Server, id_: str, leg: str) -> None:
    """Bring the call of LEG in."""
    _print(server, server.client.send("PUT", _of(id_, leg), {}))


@conferences.command("remove")
@click.argument("id_", metavar="ID")
@click.argument("leg", metavar="LEG")
@click.option("--detach", is_flag=True, help="Put LEG on hold for the host, in place of hanging it up.")
@yes_option
@acts
def remove(server: Server, id_: str, leg: str, detach: bool, yes: bool) -> None:
    """Take LEG out, and hang it up."""
    if not detach:
        confirm(f"Hang up leg {leg}?", yes=yes)
    _print(server, server.client.send("DELETE", _of(id_, leg) + ("?mode=detach" if detach else "")))


def _member_verb(verb: str, about: str) -> None:
    @conferences.command(verb, help=about)
    @click.argument("id_", metavar="ID")
    @click.argument("leg", metavar="LEG")
    @acts
    def command(server: Server, id_: str, leg: str) -> None:
        _print(server, server.client.post(f"{_of(id_, leg)}/{verb}", {}))


_member_verb("hold", "Let LEG hear music, while the others go on.")
_member_verb("resume", "Bring LEG back from hold.")


@conferences.command("end")
@click.argument("id_", metavar="ID")
@yes_option
@acts
def end(server: Server, id_: str, yes: bool) -> None:
    """Hang up all."""
    confirm(f"Hang up all in conference {id_}?", yes=yes)
    found = server.read(server.client.send("DELETE", _of(id_)), *OF_CONFERENCE)
    until = time.monotonic() + WAITS
    while not found["finished"] and time.monotonic() < until:
        time.sleep(LOOKS_EVERY)
        found = server.read(server.client.get(_of(id_)), *OF_CONFERENCE)
    _show(server, found)


def _of(id_: str, leg: str | None = None) -> str:
    return f"{CONFERENCES}/{quoted(id_)}" + (f"/participants/{quoted(leg)}" if leg else "")


def _print(server: Server, response: Any) -> None:
    _show(server, server.read(response, *OF_CONFERENCE))


def _show(server: Server, found: Json) -> None:
    click.echo(to_json(found) if server.as_json else _conference_line(found))


def _conference_line(conference: Json) -> str:
    state = "over" if conference["finished"] else "going on" if conference["started"] else "beginning"
    held = {member["call_id"] for member in conference["members"] if member["held"]}
    host, *legs = (
        f"{leg} (on hold)" if leg in held else leg for leg in (conference["host"], *conference["participants"])
    )
    return safe(f"{state}: host {host}, with {', '.join(legs) or 'nobody'}  (conference {conference['conference_id']})")
