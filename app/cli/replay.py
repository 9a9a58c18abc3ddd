"""`flask replay`: recorded webhooks, posted again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import IO, Any
from urllib.parse import quote

import click

from app.cli.client import SECONDS, base_of, bearer, detail, reached, shown, to_option
from app.services import services
from app.webhooks.body import BadBody, read_object
from app.webhooks.schemas import read_event
from app.webhooks.signature import sign
from vonage_simulator.printable import safe

NOT_YET = (0.05, 0.2, 1.0)  # seconds after which to ask for a conversation again


@click.command("replay")
@click.argument("file", type=click.File("rb"))
@to_option
def replay(file: IO[bytes], url: str | None) -> None:
    """Post recorded webhooks, one JSON object a line, and show the conversations they belong to.

    Signed if VONAGE_SIGNATURE_SECRETS is set. Shown with the token of ACCESS_TOKENS, or the one made for development.
    """
    import requests

    settings = services().settings
    base = base_of(settings, url)
    conversations: dict[str, None] = {}
    refused = 0
    with requests.Session() as http:
        for number, body, text in _webhooks(file):
            event = read_event(body)
            is_answer = event.kind == "unknown" and "to" in body and "status" not in body
            address = f"{base}/voice/{'answer' if is_answer else 'event'}"
            response = reached(partial(http.post, address, **_signed(text)), base)
            word = getattr(event, "status", None) or ("answer" if is_answer else event.kind)
            if response.status_code < 300:
                conversations |= dict.fromkeys(event.conversations)
                click.echo(safe(f"{number:4}  {response.status_code}  {word}"))
            else:
                refused += 1
                click.echo(safe(f"{number:4}  {response.status_code}  {word}: {detail(response)}"), err=True)
        for conversation in conversations:
            address = f"{base}/api/v1/conversations/{quote(conversation, safe='', errors='surrogatepass')}"
            get = partial(http.get, address, headers=bearer(settings), timeout=SECONDS)
            response = reached(get, base)
            for seconds in NOT_YET:
                if response.status_code == 404:  # the record of an answer is written a moment after the reply
                    time.sleep(seconds)
                    response = reached(get, base)
            if response.ok:
                click.echo("\n".join(["", *shown(response, base)]))
            else:
                refused += 1
                click.echo(safe(f"{conversation}: {response.status_code} {detail(response)}"), err=True)
    if refused:
        raise click.ClickException(f"{refused} requests were refused.")


def _webhooks(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    """Line number, object and text of each line. A line that is no JSON object ends the command, and is named."""
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
    # A redirect is not followed: it would turn the POST into a GET without its body.
    return {"data": text, "headers": headers, "timeout": SECONDS, "allow_redirects": False}
