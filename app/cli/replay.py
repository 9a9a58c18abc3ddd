"""`flask replay`: recorded webhooks, posted again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import IO, Any
from urllib.parse import quote
from uuid import uuid4

import click

from app.cli.client import Client, detail, to_option
from app.cli.conversation_text import conversation_lines
from app.cli.last_lines import keep_sealed, sealed_lines
from app.services import services
from app.webhooks.body import BadBody, read_object
from app.webhooks.schemas import read_event
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application
from vonage_simulator.printable import count, safe

NOT_YET = (0.05, 0.2, 1.0)  # seconds after which to ask for a conversation again


@click.command("replay")
@click.argument("file", type=click.File("rb"))
@to_option
def replay(file: IO[bytes], url: str | None) -> None:
    """Post recorded webhooks, one JSON object a line, and show the conversations they belong to.

    Signed if VONAGE_SIGNATURE_SECRETS is set. Shown with the token of ACCESS_TOKENS, or the one made for development.

    If FILE is a log to which a server that stopped wrote what still waited for Redis, that is put into the store of
    REDIS_URL, as it was received; all other lines are passed over. It needs the same SECRET_KEY.
    """
    lines = file.readlines()
    if sealed := sealed_lines(lines):
        keep_sealed(sealed)
        return
    client = Client(url)
    conversations: dict[str, None] = {}
    refused = 0
    for number, body, text in _webhooks(file, lines):
        event = read_event(body)
        is_answer = event.kind == "unknown" and "to" in body and "status" not in body
        path = f"/voice/{'answer' if is_answer else 'event'}"
        response = client.request("POST", path, data=text, headers=_headers(text))
        word = getattr(event, "status", None) or ("answer" if is_answer else event.kind)
        if response.status_code < 300:
            conversations |= dict.fromkeys(event.conversations)
            click.echo(safe(f"{number:4}  {response.status_code}  {word}"))
        else:
            refused += 1
            click.echo(safe(f"{number:4}  {response.status_code}  {word}: {detail(response)}"), err=True)
    for conversation in conversations:
        path = f"/api/v1/conversations/{quote(conversation, safe='', errors='surrogatepass')}"
        response = client.get(path)
        for seconds in NOT_YET:
            if response.status_code == 404:  # the record of an answer is written a moment after the reply
                time.sleep(seconds)
                response = client.get(path)
        if response.status_code == 200:
            try:
                click.echo("\n".join(["", *conversation_lines(response.json())]))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise client.no_switchhook() from error
        else:
            refused += 1
            click.echo(safe(f"{conversation}: {response.status_code} {detail(response)}"), err=True)
    if refused:
        raise click.ClickException(f"{count(refused, 'request')} {'was' if refused == 1 else 'were'} refused.")


def _webhooks(file: IO[bytes], lines: Sequence[bytes]) -> Iterator[tuple[int, dict[str, Any], bytes]]:
    """Line number, object and text of each line. A line that is no JSON object ends the command, and is named."""
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            try:
                yield number, read_object(text), text
            except BadBody as bad:
                raise click.ClickException(f"{file.name}, line {number}: {bad}") from bad


def _headers(text: bytes) -> dict[str, str]:
    """The headers of a POST of *text*, signed as Vonage would if there is a secret."""
    settings = services().settings
    headers = {"Content-Type": "application/json"}
    if settings.signature_secrets:
        api_key, secret = settings.signature_secrets[0]
        application = Application(id=settings.application_id or "", api_key=api_key, signature_secret=secret)
        token = sign(application, text, now=time.time(), jti=str(uuid4()))
        headers["Authorization"] = f"Bearer {token}"
    return headers
