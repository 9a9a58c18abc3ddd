"""Requests of the commands to a Switchhook: its URL, the token, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from app.client import Connection
from app.services import services
from config.settings import Settings
from vonage_simulator.cli.options import URL

if TYPE_CHECKING:  # slow to import
    from requests import Response

UNAUTHORIZED: Final = 401
to_option = click.option("--to", "url", type=URL, help="The server; default: the one that `make run` starts.")


def token_of(settings: Settings) -> str:
    """A token for the API: an operator's if there is one, else a viewer's."""
    return min(settings.access_tokens, key=lambda pair: (pair[0].startswith("user/"), pair))[1]


class Client(Connection):
    """A connection to the server at *url*; None: to the one that `make run` starts."""

    def __init__(self, url: str | None) -> None:
        settings = services().settings
        super().__init__(url or settings.local_url)
        self._bearer = {"Authorization": f"Bearer {token_of(settings)}"}

    def get(self, path: str) -> Response:
        """The response to *path* of the API, requested with `token_of`. Raises ClickException."""
        return self.send("GET", path)

    def post(self, path: str, body: Any) -> Response:
        """The response to *body*, posted to *path* of the API as JSON with `token_of`. Raises ClickException."""
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: Any = None) -> Response:
        """The response to any *method*, requested with `token_of`. Raises ClickException."""
        return self.request(method, path, headers=self._bearer, json=body)

    def request(self, method: str, path: str, **more: Any) -> Response:
        """The response; *more* as `requests` has it. Raises ClickException."""
        import requests

        try:
            return super().request(method, path, **more)
        except requests.RequestException as error:
            raise click.ClickException(
                f"No answer from {self.base} ({type(error).__name__}). Is it running? `make run` starts it; "
                "PORT or --to names another."
            ) from error

    def no_switchhook(self) -> click.ClickException:
        """The error where the answer is not a Switchhook's."""
        return click.ClickException(f"{self.base} answers, but is no Switchhook: --to names another.")


def detail(response: Response) -> str:
    """The reason in a response that is no success."""
    if response.is_redirect:
        return f"it is elsewhere, name that with --to: {response.headers['Location']}"
    if response.status_code == UNAUTHORIZED and "/voice/" not in response.url:  # there it is the signature
        return "It does not know the token of this shell: set ACCESS_TOKENS, or DATA_DIR, as they are set for it."
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return str(response.text[:200])
