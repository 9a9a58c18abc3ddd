"""`flask audit`: who was shown whole telephone numbers."""

from __future__ import annotations

import click

from app.calls.fields import timestamp
from app.cli.conversation_text import clock
from app.cli.store import with_store
from app.services import services
from vonage_simulator.printable import safe

CALLS_SHOWN = 3


@click.command("audit")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@with_store
def audit(limit: int) -> None:
    """Show who was shown whole telephone numbers, newest first: when, the token's and the address's hash, of what."""
    found = services().store.audit(limit)
    for _, at, reveal in found:
        filters = f"?{reveal.filters}" if reveal.filters else ""
        who = f"{reveal.role} {reveal.who} from {reveal.address}"
        click.echo(safe(f"{clock(timestamp(at))}  {who}  {reveal.route}{filters}"))
        more = len(reveal.calls) - CALLS_SHOWN
        click.echo(safe(f"      {', '.join(reveal.calls[:CALLS_SHOWN])}{f' and {more} more' if more > 0 else ''}"))
    if not found:
        click.echo("Nobody was shown whole telephone numbers yet.")
