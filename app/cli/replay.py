"""`flask replay`: recorded webhooks, posted again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import IO, Any
from uuid import uuid4

import click

from app.cli.client import SECONDS, address_of, detail, quoted, reached, shown, token_of
from app.services import services
from app.terminal import safe
from app.webhooks.body import BadBody, read_object
from app.webhooks.schemas import read_event
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application

NOT_YET = (0.05, 0.2, 1.0)  # seconds after which to ask for a conversation again


@click.command("replay")
@click.argument("file", type=click.File("rb"))
@click.option("--to", "url", help="The server; default: the one `make run` starts.")
def replay(file: IO[bytes], url: str | None) -> None:
    """Post recorded webhooks, one JSON object a line, and show the conversations that came of them.

    Signed if VONAGE_SIGNATURE_SECRETS is set. Shown with the token of ACCESS_TOKENS, or the one made for development.
    """
    import requests

    settings = services().settings
    base = address_of(settings, url)
    heard: dict[str, None] = {}
    refused = 0
    with requests.Session() as http:
        for number, body, text in _webhooks(file):
            event = read_event(body)
            asks = event.kind == "unknown" and "to" in body and "status" not in body
            address = f"{base}/voice/{'answer' if asks else 'event'}"
            response = reached(partial(http.post, address, **_signed(text)), base)
            word = getattr(event, "status", None) or ("answer" if asks else event.kind)
            if response.status_code < 300:
                heard |= dict.fromkeys(event.conversations)
                click.echo(safe(f"{number:4}  {response.status_code}  {word}"))
            else:
                refused += 1
                click.echo(safe(f"{number:4}  {response.status_code}  {word}: {detail(response)}"), err=True)
        token = token_of(settings)
        for conversation in heard:
            address = f"{base}/api/v1/conversations/{quoted(conversation)}"
            headers = {"Authorization": f"Bearer {token}"}
            ask = partial(http.get, address, headers=headers, timeout=SECONDS)
            told = reached(ask, base)
            for seconds in NOT_YET:
                if told.status_code == 404:  # the record of an answer is written a moment after it was given
                    time.sleep(seconds)
                    told = reached(ask, base)
            if told.ok:
                click.echo("\n".join(["", *shown(told, base)]))
            else:
                refused += 1
                click.echo(safe(f"{conversation}: {told.status_code} {detail(told)}"), err=True)
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
        application = Application(id=settings.application_id or "", api_key=api_key, signature_secret=secret)
        token = sign(application, text, now=time.time(), jti=str(uuid4()))
        headers["Authorization"] = f"Bearer {token}"
    # Not led elsewhere: what was posted would be asked for there, without the body.
    return {"data": text, "headers": headers, "timeout": SECONDS, "allow_redirects": False}
