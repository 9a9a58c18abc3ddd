"""The carrier that runs in another process, and takes the calls of `call`: see taking_calls.py."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click
from click.core import ParameterSource

from vonage_simulator.cli.options import RunOptions
from vonage_simulator.cli.shown_call import Print
from vonage_simulator.scenario import Scenario
from vonage_simulator.scenarios import dump

FILE = "carrier.json"
LONGEST_LINE = 1024 * 1024  # bytes of what it prints at once
CONNECTS_WITHIN = 2.0  # seconds
# Options of a command that a carrier which runs already has of its own.
ITS_OWN = ("speed", "faults", "seed", "application_id", "secret")
URLS = ("answer_url", "event_url", "fallback_url", "answer_method", "event_method")


@dataclass(frozen=True, slots=True)
class Running:
    """Where it takes calls, with which secret, and for which server."""

    url: str
    secret: str
    server: str | None

    async def call(self, scenario: Scenario, options: RunOptions, print_: Print, *, pretty: bool) -> bool:
        """Play *scenario* there; as `shown_call.show`."""
        body = {"scenario": dump(scenario), "token": options.token, "pretty": pretty}
        timeout = aiohttp.ClientTimeout(None, sock_connect=CONNECTS_WITHIN)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as session,
                session.post(f"{self.url}/calls", json=body, headers=authorization(self.secret)) as response,
            ):
                async for text in response.content:
                    message = json.loads(text)
                    if "print" in message:
                        print_(message["print"])
                    elif "error" in message:
                        raise click.ClickException(message["error"])
                    else:
                        return bool(message["well"])
        except (aiohttp.ClientError, ValueError) as error:
            raise click.ClickException(f"The carrier at {self.url} has stopped: {error}") from error
        raise click.ClickException(f"The carrier at {self.url} has stopped.")


async def find(options: RunOptions) -> Running | None:
    """The carrier that runs for the server of *options*; None if there is none, or one of its own is wanted."""
    context = click.get_current_context()
    if any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in (*ITS_OWN, *URLS)):
        return None
    return await there(options.defaults.folder, options.server)


async def there(folder: Path, server: str | None) -> Running | None:
    """The carrier that says in *folder* that it runs for *server*, if it does; None if there is none."""
    try:
        found = Running(**json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    if found.server is None or found.server != server:
        return None
    with suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CONNECTS_WITHIN)) as session,
            session.get(f"{found.url}/", headers=authorization(found.secret)) as response,
        ):
            return found if response.status == 204 else None
    return None


def authorization(secret: str) -> dict[str, str]:
    """The headers of a request to it."""
    return {"Authorization": f"Bearer {secret}"}
