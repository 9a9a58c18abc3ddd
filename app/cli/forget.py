"""`flask forget`: deletes all that is kept of a telephone number."""

from __future__ import annotations

import click

from app.cli.store import with_store
from app.domain.numbers import digits
from app.services import services
from vonage_simulator.printable import count


@click.command("forget")
@click.argument("number")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_store
def forget(number: str, yes: bool) -> None:
    """Delete every conversation with the telephone number NUMBER, and all that is kept of it.

    For requests under the law on personal data. Give the whole number, with its country code.
    """
    found = digits(number)
    if found is None or len(found) < 8:  # with 4 or 7 it would be every number that ends in them
        raise click.BadParameter("give the whole telephone number, with its country code", param_hint="NUMBER")
    if not yes:
        click.confirm(f"Delete every conversation with {found}? This cannot be undone", abort=True)
    store = services().store
    gone = store.forget(found)
    unfiled = f" and {count(gone.unfiled, 'unfiled webhook')}" if gone.unfiled else ""
    click.echo(f"Deleted {count(gone.conversations, 'conversation')}{unfiled}.")
    if not store.forget_on_disk(seconds=30):
        click.echo("Redis is still rewriting its file on disk: until that is done the old one holds them.", err=True)
