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
VERBS: Final = ("play", "heard", "unheard", "delete")
ENDINGS: Final = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg"}


@click.command("voicemails")
@click.argument("user", metavar="USER")
@click.argument("verb", metavar="[VERB]", type=click.Choice(VERBS), required=False)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--unheard", is_flag=True, help="List only those that were not heard yet.")
@click.option("--to-file", "file", type=click.Path(path_type=Path, dir_okay=False), help="For play; else by the id.")
@yes_option
@acts
def voicemails(
    server: Server, user: str, verb: str | None, id_: str | None, unheard: bool, file: Path | None, yes: bool
) -> None:
    """List the voicemails of USER, newest first; or do something with the one with this ID.

    VERB is play (fetch its sound into a file, which does not make it heard), heard, unheard, or delete (take it off the
    list; its recording stays with the call).
    """
    if verb is None:
        _list(server, user, unheard=unheard)
        return
    if id_ is None:
        raise click.UsageError("Give the ID of a voicemail; the list has it.")
    path = f"{_of(user)}/{quoted(id_)}"
    if verb == "play":
        _play(server, path, file, id_)
    elif verb == "delete":
        confirm(f"Delete voicemail {id_} of {user}?", yes=yes)
        _delete(server, path, id_)
    else:
        found = server.read(server.client.send("PUT", path, {"heard": verb == "heard"}), *FIELDS)
        click.echo(to_json(found) if server.as_json else _line(found))


def _list(server: Server, user: str, *, unheard: bool) -> None:
    found: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?cursor={quoted(cursor)}" + ("&heard=false" if unheard else "")
        page = server.read(server.client.get(f"{_of(user)}{query}"), "items", "next")
        found += page["items"]
        cursor = page["next"]
    if server.as_json:
        click.echo(to_json({"items": found}))
        return
    for item in found:
        click.echo(_line(item))
    if not found:
        click.echo("There is none.")


def _play(server: Server, path: str, file: Path | None, id_: str) -> None:
    response = server.client.get(f"{path}/audio")
    kind = response.headers.get("Content-Type", "").partition(";")[0]
    if not response.ok or not kind.startswith("audio/"):
        raise click.ClickException(safe(detail(response)))
    file = file or Path(f"voicemail-{_plain(id_)}.{ENDINGS.get(kind, 'audio')}")
    file.write_bytes(response.content)
    words = safe(f"{count(len(response.content), 'byte')} in {file}")
    click.echo(to_json({"file": str(file)}) if server.as_json else words)


def _delete(server: Server, path: str, id_: str) -> None:
    response = server.client.send("DELETE", path)
    if response.status_code != 204:
        server.read(response, *FIELDS)
        raise server.client.no_switchhook()
    click.echo(to_json({"id": id_}) if server.as_json else safe(f"deleted: voicemail {id_}"))


def _of(user: str) -> str:
    return f"/api/v1/users/{quoted(user)}/voicemails"


def _plain(id_: str) -> str:
    """*id_* as a part of a file's name."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in id_)


def _line(item: Json) -> str:
    who = item["from"] or "somebody"
    who += f" ({item['from_name']})" if item["from_name"] else ""
    length = f", {item['seconds']:g} s" if item["seconds"] is not None else ""
    state = "heard" if item["heard"] else "new"
    return safe(f"{item['at']}  {state:5}  from {who}{length}  (voicemail {item['id']}, call {item['call_id'] or '-'})")
