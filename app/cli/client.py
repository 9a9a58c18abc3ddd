"""Requests of the commands to a Switchhook: its URL, the token, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from app.cli.conversation_text import call_lines
from config.settings import Settings
from vonage_simulator.cli.options import URL

if TYPE_CHECKING:  # slow to import
    from requests import Response

SECONDS = 15  # to wait for a reply; Vonage itself waits 10 for an event

to_option = click.option("--to", "url", type=URL, help="The server; default: the one that `make run` starts.")


def base_of(settings: Settings, url: str | None) -> str:
    """The server's base URL: *url*, or where `make run` starts it."""
    return (url or settings.local_url).rstrip("/")


def token_of(settings: Settings) -> str:
    """A token for the API: an operator's if there is one."""
    return min(settings.access_tokens)[1]


def bearer(settings: Settings) -> dict[str, str]:
    """The header with that token."""
    return {"Authorization": f"Bearer {token_of(settings)}"}


def reached(request: Callable[[], Response], base: str) -> Response:
    """The response to *request*. Raises ClickException if nobody answers at *base*."""
    import requests

    try:
        return request()
    except requests.RequestException as error:
        raise click.ClickException(
            f"No answer from {base} ({type(error).__name__}). Is it running? `make run` starts it; --to names another."
        ) from error


def shown(response: Response, base: str) -> list[str]:
    """The conversation in *response*, for people. Raises ClickException if it holds none."""
    try:
        return call_lines(response.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_switchhook(base) from error


def no_switchhook(base: str) -> click.ClickException:
    """The error where the answer is not a Switchhook's."""
    return click.ClickException(f"{base} answers, but is no Switchhook: --to names another.")


def detail(response: Response) -> str:
    """The reason in a response that is no success."""
    if response.is_redirect:
        return f"it is elsewhere, name that with --to: {response.headers['Location']}"
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return str(response.text[:200])
