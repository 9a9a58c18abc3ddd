"""`flask calls`, `flask call`, `flask forget`: what is kept, read from the store and deleted there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, cast

import click
from flask import current_app

from app.domain.numbers import digits
from app.services import build_store, services
from app.store.errors import StoreError
from app.store.pages import Filter, State
from app.terminal import call_lines, list_line
from config.embedded import EngineFailed, EngineInUse, running


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* a store that runs: the server's, or the embedded engine for as long as the command takes."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        held = services()
        try:
            with running(held.settings) as url:
                there = replace(held.settings, redis_url=url)
                current_app.extensions["switchhook"] = replace(held, settings=there, store=build_store(there))
                command(*args, **kwargs)
        except (StoreError, EngineFailed, EngineInUse) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.command("calls")
@click.option("--state", type=click.Choice(["live", "ended", "presumed_ended"]), help="Only calls in this state.")
@click.option("--number", help="Only calls with this number, or one that ends in these 4 or 7 digits.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many.")
@with_store
def calls(state: str | None, number: str | None, limit: int) -> None:
    """Show the latest conversations, newest first."""
    wanted = digits(number) if number else ""
    if wanted is None:
        raise click.BadParameter(
            "not a telephone number: give all its digits, or the last 4 or 7", param_hint="--number"
        )
    stored = services().calls
    found, _ = stored.page(Filter(cast("State", state or "any"), wanted), limit=limit)
    for one in found:
        click.echo(list_line(stored.dump(one, "operator")))
    if not found:
        click.echo("No call is kept that fits." if state or number else "No call is kept yet.")


@click.command("call")
@click.argument("conversation_uuid")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@with_store
def call(conversation_uuid: str, as_json: bool) -> None:
    """Show one conversation with its legs."""
    stored = services().calls
    found = stored.conversation(conversation_uuid)
    if found is None:
        raise click.ClickException("No such conversation is kept. `flask calls` lists those that are.")
    told = stored.dump(found, "operator")
    # JSON writes every character that steers a terminal as an escape, but for this one.
    as_text = json.dumps(told, indent=2).replace("\x7f", r"\u007f")
    click.echo(as_text if as_json else "\n".join(call_lines(told)))


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
    click.echo(f"Deleted {store.forget(found)} conversations.")
    if not store.forget_on_disk(seconds=30):
        click.echo("On disk Redis still writes its file anew: until then the old one holds them.", err=True)
