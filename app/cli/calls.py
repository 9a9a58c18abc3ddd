"""`flask calls`: the latest conversations."""

from __future__ import annotations

from typing import cast

import click

from app.cli.conversation_text import list_line
from app.cli.store import with_store
from app.domain.numbers import searched
from app.services import services
from app.store.pages import Filter, State


@click.command("calls")
@click.option("--state", type=click.Choice(["live", "ended", "presumed_ended"]), help="Only calls in this state.")
@click.option("--number", help="Only calls with this number, or one that ends in these 4 or 7 digits.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@with_store
def calls(state: str | None, number: str | None, limit: int) -> None:
    """Show the latest conversations, newest first."""
    wanted = searched(number) if number else ""
    if wanted is None:
        raise click.BadParameter("give a telephone number whole, or its last 4 or 7 digits", param_hint="--number")
    stored = services().calls
    found, _ = stored.page(Filter(cast("State", state or "any"), wanted), limit=limit)
    for conversation in found:
        click.echo(list_line(stored.dump(conversation, "operator")))
    if not found:
        click.echo("No such call is kept." if state or number else "No call is kept yet.")
