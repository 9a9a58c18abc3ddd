"""`flask call`: one conversation."""

from __future__ import annotations

import click

from app.cli.conversation_text import call_lines, to_json
from app.cli.store import conversation, with_store


@click.command("call")
@click.argument("conversation_uuid")
@click.option("--json", "as_json", is_flag=True, help="As the API returns it.")
@with_store
def call(conversation_uuid: str, as_json: bool) -> None:
    """Show one conversation with its legs."""
    found = conversation(conversation_uuid)
    click.echo(to_json(found) if as_json else "\n".join(call_lines(found)))
