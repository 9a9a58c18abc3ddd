"""`flask unfiled`: the webhooks that could not be filed."""

from __future__ import annotations

import click

from app.calls.fields import timestamp
from app.cli.conversation_text import clock
from app.cli.store import with_store
from app.services import services
from vonage_simulator.printable import safe


@click.command("unfiled")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@with_store
def unfiled(limit: int) -> None:
    """Show the latest webhooks that belong to no conversation, newest first: when, why, and what they hold."""
    found = services().store.unfiled(limit)
    for _, why, record in found:
        click.echo(safe(f"{clock(timestamp(record.received))}  {why}"))
        click.echo(safe(f"      {record.body.decode(errors='replace')}"))
    if not found:
        click.echo("Every webhook that is kept belongs to a conversation.")
