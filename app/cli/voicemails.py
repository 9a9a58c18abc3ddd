"""`flask voicemails`: the messages that were left for a user, over the API of a server that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from app.cli.acting import Json, Server, acts, confirm, quoted, yes_option
from app.cli.client import detail
from app.cli.conversation_text import to_json
from vonage_simulator.printable import count, safe

FIELDS: Final = ("id", "from", "at", "heard")
ENDINGS: Final = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg"}


@click.group("voicemails", invoke_without_command=True)
@click.argument("user", metavar="USER")
@click.option("--unheard", is_flag=True, help="Only those that were not heard yet.")
@click.pass_context
@acts
def voicemails(server: Server, context: click.Context, user: str, unheard: bool) -> None:
    """The voicemails of USER, newest first; or, with a command, what to do with one of them."""
    context.obj = user
    if context.invoked_subcommand is not None:
        return
    found: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?cursor={quoted(cursor)}" + ("&heard=false" if unheard else "")
        page = server.read(server.client.get(f"/api/v1/users/{quoted(user)}/voicemails{query}"), "items", "next")
        found += page["items"]
        cursor = page["next"]
    if server.as_json:
        click.echo(to_json(found))
        return
    for item in found:
        click.echo(_line(item))
    if not found:
        click.echo("There is none.")


@voicemails.command("play")
@click.argument("id_", metavar="ID")
@click.option("--to-file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Else a file named by ID.")
@click.pass_obj
@acts
def play(server: Server, user: str, id_: str, file: Path | None) -> None:
    """Fetch the audio of a voicemail into a file. That does not make it heard."""
    response = server.client.get(f"{_of(user, id_)}/audio")
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if not response.ok or not kind.startswith("audio/"):
        raise click.ClickException(safe(detail(response)))
    file = file or Path(f"voicemail-{_plain(id_)}.{ENDINGS.get(kind, 'audio')}")
    file.write_bytes(response.content)
    click.echo(
        to_json({"file": str(file)}) if server.as_json else safe(f"{count(len(response.content), 'byte')} in {file}")
    )


@voicemails.command("heard")
@click.argument("id_", metavar="ID")
@click.option("--not", "not_", is_flag=True, help="Say that it was not heard.")
@click.pass_obj
@acts
def heard(server: Server, user: str, id_: str, not_: bool) -> None:
    """Say that a voicemail was heard."""
    found = server.read(server.client.send("PUT", _of(user, id_), {"heard": not not_}), *FIELDS)
    click.echo(to_json(found) if server.as_json else _line(found))


@voicemails.command("delete")
@click.argument("id_", metavar="ID")
@yes_option
@click.pass_obj
@acts
def delete(server: Server, user: str, id_: str, yes: bool) -> None:
    """Take a voicemail off the list; its recording stays with the call."""
    confirm(f"Delete voicemail {id_} of {user}?", yes=yes)
    response = server.client.send("DELETE", _of(user, id_))
    if response.status_code != 204:
        server.read(response, *FIELDS)
        raise server.client.no_switchhook()
    click.echo(to_json({"id": id_}) if server.as_json else safe(f"deleted: voicemail {id_}"))


def _of(user: str, id_: str) -> str:
    return f"/api/v1/users/{quoted(user)}/voicemails/{quoted(id_)}"


def _plain(id_: str) -> str:
    """*id_* as a part of a file's name."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in id_)


def _line(item: Json) -> str:
    who = item["from"] or "somebody"
    who += f" ({item['from_name']})" if item["from_name"] else ""
    length = f", {item['seconds']:g} s" if item["seconds"] is not None else ""
    state = "heard" if item["heard"] else "new"
    return safe(f"{item['at']}  {state:5}  from {who}{length}  (voicemail {item['id']}, call {item['call_id'] or '-'})")
