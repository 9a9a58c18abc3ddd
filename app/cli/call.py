"""`flask call`: one call."""

from __future__ import annotations

import click

from app.calls.ladder import ladder_of, text_of
from app.calls.replay import curl_commands
from app.cli.conversation_text import action_lines, conversation_lines, head_lines, to_json
from app.cli.store import whole_call, with_store
from app.services import services


@click.command("call")
@click.argument("id_", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As the API returns it.")
@click.option("--curl", "as_curl", is_flag=True, help="As `curl` commands that post its webhooks again.")
@with_store
def call(id_: str, as_json: bool, as_curl: bool) -> None:
    """Show a call as a ladder, and its conversations.

    ID is that of the call, or of one of its conversations, legs or recordings.
    """
    found, parts = whole_call(id_), services()
    if as_curl:
        server = parts.settings.public_url or parts.settings.local_url
        for command in curl_commands(parts.call_queries.events(found), server.rstrip("/")):
            click.echo(command)
        return
    dumped = parts.call_queries.dump(found, "operator")
    if as_json:
        click.echo(to_json(dumped))
        return
    lines = [*head_lines(dumped), "", *text_of(ladder_of(found, mask_numbers=False, names=parts.names.current()))]
    if actions := action_lines(found.actions):
        lines += ["", *actions]
    for conversation in parts.calls.conversations(found.everywhere):
        lines += ["", *conversation_lines(parts.calls.dump(conversation, "operator"))]
    click.echo("\n".join(lines))
