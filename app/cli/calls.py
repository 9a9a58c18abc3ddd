"""`flask calls`: the latest calls."""

from __future__ import annotations

from typing import cast

import click

from app.calls.call_queries import CallFilter
from app.cli.conversation_text import list_line
from app.cli.store import demo_hint, with_store
from app.domain.conversations import ConversationState
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import searched
from app.services import services


@click.command("calls")
@click.option("--state", type=click.Choice(["live", "ended", "presumed_ended"]), help="Only calls in this state.")
@click.option("--number", help="Only calls with this number, or one that ends in these 4 or 7 digits.")
@click.option("--user", help="Only calls of this user of the application.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only calls that ended so.")
@click.option("--missed", is_flag=True, help="Only calls that came in and that nobody answered.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@with_store
def calls(
    state: str | None, number: str | None, user: str | None, outcome: str | None, missed: bool, limit: int
) -> None:
    """Show the latest calls, newest first."""
    digits = searched(number) if number else ""
    if digits is None:
        raise click.BadParameter("give a telephone number whole, or its last 4 or 7 digits", param_hint="--number")
    wanted = CallFilter(
        cast("ConversationState | None", state), digits, user=user or "", outcome=outcome, missed=missed or None
    )
    stored, shown, after = services().call_queries, 0, None
    while shown < limit:  # a page may be short though there is more
        page = stored.page(wanted, limit=limit - shown, after=after)
        for call in stored.dump_all(page.calls, "operator", rows=True):
            click.echo(list_line(call))
        shown, after = shown + len(page.calls), page.next
        if after is None:
            break
    if not shown:
        click.echo(("No such call is kept." if wanted != CallFilter() else "No call is kept yet.") + demo_hint())
