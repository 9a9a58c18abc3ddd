"""The server that commands talk to: where it is, with which token, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from app.terminal import call_lines
from config.settings import Settings

SECONDS = 15  # to wait for a server; Vonage itself waits 10 for an event


def address_of(settings: Settings, url: str | None, *, option: str = "--to") -> str:
    """Where the server is: *url*, which *option* gave, or where `make run` starts it."""
    if url and not url.startswith(("http://", "https://")):
        raise click.BadParameter("begin it with http:// or https://", param_hint=option)
    return (url or settings.local_url).rstrip("/")


def token_of(settings: Settings) -> str:
    """A token for its API: an operator's where there is one."""
    return min(settings.access_tokens)[1]


def reached(ask: Callable[[], Any], base: str) -> Any:
    """What *ask* gives. Raises ClickException where nobody answers at *base*."""
    import requests

    try:
        return ask()
    except requests.RequestException as error:
        what = (
            f"No answer from {base} ({type(error).__name__}). Is it running? `make run` starts it; --to names another."
        )
        raise click.ClickException(what) from error


def shown(told: Any, base: str) -> list[str]:
    """The conversation in the response *told*, for people."""
    try:
        return call_lines(told.json())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{base} answers, but is no Switchhook: --to names another.") from error


def detail(response: Any) -> str:
    """What a response that is no success says of it."""
    if response.is_redirect:
        return f"it is elsewhere, name that with --to: {response.headers['Location']}"
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return str(response.text[:200])


def quoted(name: str) -> str:
    """*name* as one part of an address."""
    from urllib.parse import quote

    return quote(name, safe="", errors="surrogatepass")
