"""Commands: `flask replay`, `flask calls`, `flask call`, `flask forget`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, wraps
from typing import IO, Any, cast

import click
from flask import Flask, current_app

from app import reading
from app.api import render
from app.domain.numbers import digits
from app.services import build, services
from app.store.errors import StoreError
from app.store.pages import Filter, State
from app.terminal import call_lines, list_line, safe
from app.webhooks.body import BadBody, read_object
from app.webhooks.schemas import read_event
from app.webhooks.signature import sign
from config.embedded import EngineFailed, EngineInUse, running

SECONDS = 15  # to wait for a server; Vonage itself waits 10 for an event
NOT_YET = (0.05, 0.2, 1.0)  # seconds after which to ask for a conversation again


def install(app: Flask) -> None:
    """Add the commands to *app*."""
    for command in (replay, calls, call, forget):
        app.cli.add_command(command)


def with_store(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* a store that runs: the server's, or the embedded engine for as long as the command takes."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        held = services()
        try:
            with running(held.settings) as url:
                current_app.extensions["switchhook"] = build(replace(held.settings, redis_url=url))
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
    found, _ = reading.page(Filter(cast("State", state or "any"), wanted), limit=limit)
    for one in found:
        click.echo(list_line(render.conversation(one)))
    if not found:
        click.echo("No call is kept that fits." if state or number else "No call is kept yet.")


@click.command("call")
@click.argument("conversation_uuid")
@click.option("--json", "as_json", is_flag=True, help="As the API gives it.")
@with_store
def call(conversation_uuid: str, as_json: bool) -> None:
    """Show one conversation with its legs."""
    found = reading.conversations([conversation_uuid])
    if not found:
        raise click.ClickException("No such conversation is kept. `flask calls` lists those that are.")
    told = render.conversation(found[0])
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


@click.command("replay")
@click.argument("file", type=click.File("rb"))
@click.option("--to", "url", help="The server; default: the one `make run` starts.")
def replay(file: IO[bytes], url: str | None) -> None:
    """Post recorded webhooks, one JSON object a line, and show the conversations that came of them.

    Signed if VONAGE_SIGNATURE_SECRETS is set. Shown with the token of ACCESS_TOKENS, or the one made for development.
    """
    import requests

    settings = services().settings
    if url and not url.startswith(("http://", "https://")):
        raise click.BadParameter("begin it with http:// or https://", param_hint="--to")
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared
    base = (url or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}").rstrip("/")
    heard: dict[str, None] = {}
    refused = 0
    with requests.Session() as http:
        for number, body, text in _webhooks(file):
            event = read_event(body)
            asks = event.kind == "unknown" and "to" in body and "status" not in body
            address = f"{base}/voice/{'answer' if asks else 'event'}"
            response = _reached(partial(http.post, address, **_signed(text)), base)
            word = getattr(event, "status", None) or ("answer" if asks else event.kind)
            if response.status_code < 300:
                heard |= dict.fromkeys(event.homes)
                click.echo(safe(f"{number:4}  {response.status_code}  {word}"))
            else:
                refused += 1
                click.echo(safe(f"{number:4}  {response.status_code}  {word}: {_detail(response)}"), err=True)
        _, token = min(settings.access_tokens)
        for conversation in heard:
            address = f"{base}/api/v1/conversations/{_quoted(conversation)}"
            headers = {"Authorization": f"Bearer {token}"}
            ask = partial(http.get, address, headers=headers, timeout=SECONDS)
            told = _reached(ask, base)
            for seconds in NOT_YET:
                if told.status_code == 404:  # the record of an answer is written a moment after it was given
                    time.sleep(seconds)
                    told = _reached(ask, base)
            if told.ok:
                click.echo("\n".join(["", *_shown(told, base)]))
            else:
                refused += 1
                click.echo(safe(f"{conversation}: {told.status_code} {_detail(told)}"), err=True)
    if refused:
        raise click.ClickException(f"{refused} requests were refused.")


def _webhooks(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    """Line number, object and text of each line. A line that is none ends the command, and is named."""
    for number, line in enumerate(file, 1):
        if text := line.strip():
            try:
                yield number, read_object(text), text
            except BadBody as bad:
                raise click.ClickException(f"{file.name}, line {number}: {bad}") from bad


def _signed(text: bytes) -> dict[str, Any]:
    """The arguments of a POST of *text*, signed as Vonage would if there is a secret."""
    settings = services().settings
    headers = {"Content-Type": "application/json"}
    if settings.signature_secrets:
        api_key, secret = settings.signature_secrets[0]
        token = sign(text, api_key=api_key, secret=secret, application_id=settings.application_id, now=time.time())
        headers["Authorization"] = f"Bearer {token}"
    # Not led elsewhere: what was posted would be asked for there, without the body.
    return {"data": text, "headers": headers, "timeout": SECONDS, "allow_redirects": False}


def _reached(ask: Callable[[], Any], base: str) -> Any:
    import requests

    try:
        return ask()
    except requests.RequestException as error:
        what = (
            f"No answer from {base} ({type(error).__name__}). Is it running? `make run` starts it; --to names another."
        )
        raise click.ClickException(what) from error


def _shown(told: Any, base: str) -> list[str]:
    try:
        return call_lines(told.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{base} answers, but is no Switchhook: --to names another.") from error


def _detail(response: Any) -> str:
    if response.is_redirect:
        return f"it is elsewhere, name that with --to: {response.headers['Location']}"
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return str(response.text[:200])


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="", errors="surrogatepass")
