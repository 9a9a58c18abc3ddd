"""`flask simulate demo`: the server, and calls of all kinds without end."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.store import demo_folder
from app.domain.users import UserSettings
from app.services import services
from config.settings import Settings
from vonage_simulator.cli.load import varied
from vonage_simulator.cli.options import RunOptions, run_options
from vonage_simulator.cli.serve import SPEED_HELP, TIDY_EVERY, ApiOptions, carrier_with_api, stopped_gently
from vonage_simulator.client_sdk.server import HOST, SCRIPT
from vonage_simulator.printable import safe

if TYPE_CHECKING:
    import asyncio

    from vonage_simulator.carrier import Carrier
    from vonage_simulator.client_sdk.server import ClientSdk

STARTS_WITHIN = 60.0  # seconds a server may take
ENDS_WITHIN = 3.0  # seconds for the webhooks of the calls that are hung up at the end


@click.command("demo")
@click.option("--every", default=3.0, show_default=True, type=click.FloatRange(0.1), help="Seconds between two calls.")
@click.option("--api-port", type=click.IntRange(1, 65535), help="Serve the Voice API at this port.  [default: any]")
@run_options(speed="1", speed_help=SPEED_HELP)
def demo(options: RunOptions, every: float, api_port: int | None) -> None:
    """Start the server, and place calls of all kinds without end: `make demo`.

    The server keeps them under DATA_DIR/demo: they do not mix with calls of your own.
    """
    import asyncio

    from config.gunicorn import banner

    if options.server is None:
        raise click.UsageError("demo needs a Switchhook: name one with --server, or none to start one.")
    settings, api = services().settings, ApiOptions(port=api_port or _free_port(), sdk_port=_free_port())
    keys = _keys(options, api)
    with stopped_gently(), _running(options.server, settings, keys):
        click.echo(banner(settings).replace("\n  Ctrl-C stops it.", ""), nl=False)
        given = "".join(f"{name}={os.environ[name]} " for name in ("PORT", "DATA_DIR", "HOST") if name in os.environ)
        given += "ACCESS_TOKENS=… " if "ACCESS_TOKENS" in os.environ else ""  # the same; not to be read in a log
        click.echo(f"  First call   {given}.venv/bin/flask simulate call --scenario ring-group")
        click.echo(f"  Ring         {given}.venv/bin/flask simulate call  (once the phone is open, it rings there)")
        asyncio.run(_demo(options, api, every))


async def _demo(options: RunOptions, api: ApiOptions, every: float) -> None:
    playing: set[asyncio.Task[object]] = set()
    async with carrier_with_api(options, options.defaults.folder, api) as (carrier, sdk):
        click.echo(f"\n  Simulated calls of all kinds come in, one every {every:g} s. Ctrl-C stops it.\n")
        try:
            await _place_calls(carrier, sdk, every, playing)
        finally:
            for task in playing:
                task.cancel()
            await _end_calls(carrier)


async def _place_calls(carrier: Carrier, sdk: ClientSdk, every: float, playing: set[asyncio.Task[object]]) -> None:
    """One after the other, without end, but none while a phone is open. *playing* gets those that go on."""
    import asyncio

    from vonage_simulator import scenarios

    # The published call always has the same id.
    kinds = [scenario for name, scenario in scenarios.every().items() if name != "phone-to-app"]
    chance = random.Random()  # noqa: S311 - which calls, not secrets
    tidied = time.monotonic()
    number, silent = 0, False
    while True:
        if online := sdk.online():  # the calls of the demo would all ring there
            if not silent:
                words = f"The phone of {' and '.join(sorted(online))} is open: no calls but yours meanwhile"
                click.echo(safe(f"{time.strftime('%H:%M:%S')}  {words}"))
        else:
            if number % len(kinds) == 0:  # each once, before any comes again
                chance.shuffle(kinds)
            scenario = varied(kinds[number % len(kinds)], number)
            click.echo(safe(f"{time.strftime('%H:%M:%S')}  {scenario.name:28}  {scenario.about}"))
            task = asyncio.create_task(carrier.play(scenario))
            playing.add(task)
            task.add_done_callback(playing.discard)
            number += 1
        silent = bool(online)
        await asyncio.sleep(every)
        if time.monotonic() - tidied > TIDY_EVERY:
            carrier.forget()
            tidied = time.monotonic()


async def _end_calls(carrier: Carrier) -> None:
    """Hang up everywhere, and wait a moment for the webhooks: pages would show these calls as going on for hours."""
    import asyncio

    from vonage_simulator.refusals import NotActive

    for leg in list(carrier.ledger.legs.values()):
        if not leg.over:
            with contextlib.suppress(NotActive):  # it rings: whom it is for hangs up
                carrier.people.hang_up(leg.uuid)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(carrier.over(), ENDS_WITHIN)


def own_environment(settings: Settings) -> dict[str, str]:
    """The environment of a server with a store of its own, which takes the tokens that are valid here."""
    # FLASK_RUN_FROM_CLI, which this command has: with it the server would start no parts, and count no calls (wsgi.py).
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "FLASK_RUN_"))}
    tokens = ",".join(f"{role}:{token}" for role, token in settings.access_tokens)
    return environ | {"DATA_DIR": str(demo_folder(settings)), "ACCESS_TOKENS": tokens}


def _keys(options: RunOptions, api: ApiOptions) -> dict[str, str]:
    """The settings with which a server acts on calls of the simulated Vonage, and its pages take part in them."""
    from vonage_simulator import certificate

    folder = options.defaults.folder
    return {
        "VONAGE_APPLICATION_ID": options.application.id,
        "VONAGE_PRIVATE_KEY": str(certificate.application_keys(folder)[0]),
        "RECORDING_HOSTS": f"127.0.0.1:{api.port}",
        "VONAGE_API_HOSTS": f"127.0.0.1:{api.port}",
        "CLIENT_SDK_URL": f"http://{HOST}:{api.sdk_port}{SCRIPT}",
        "REQUESTS_CA_BUNDLE": str(certificate.make(folder).ca),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(base: str, settings: Settings, keys: dict[str, str]) -> Iterator[None]:
    """A server at *base*: the one there, or, if it would be ours, one started for as long as this lasts.

    *keys*: the settings with which that one acts on calls and plays recordings.
    """
    if _answers(base):
        click.echo(f"\n  A server runs at {base} already: calls go there, and stay there.")
        click.echo(
            "  It has the settings that it was started with, not those of this command: to change one, stop it first."
        )
        yield
        return
    if base != settings.local_url:
        raise click.ClickException(f"Nobody answers at {base}.")
    environ = own_environment(settings) | keys
    log = Path(environ["DATA_DIR"], "server.log")
    click.echo(f"\n  Starting the server; its calls and its log, {log.name}, are in {log.parent}")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = next((token for role, token in settings.access_tokens if role == "operator"), None)
    if token:  # commands with the demo's DATA_DIR find it there
        kept = log.with_name("operator_token")
        kept.touch(mode=0o600)
        kept.write_text(f"{token}\n")
    with log.open("wb") as output:
        # A session of its own: it is stopped after the last webhook, not by the same Ctrl-C.
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not _answers(base):
            if server.poll() is not None or time.monotonic() > until:
                last = log.read_text(errors="replace").splitlines()[-5:]
                raise click.ClickException("\n".join(["The server does not start:", *map(safe, last)]))
            time.sleep(0.1)
        if token:
            _let_all_calls_in(base, settings.app_user, token)
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)


def _let_all_calls_in(base: str, user: str, token: str) -> None:
    """Let *user* take as many calls at once as a user may: else the demo's third one would be diverted."""
    import requests

    address, headers = f"{base}/api/v1/users/{user}", {"Authorization": f"Bearer {token}"}
    with contextlib.suppress(requests.RequestException):
        known = requests.get(address, headers=headers, timeout=5).json()
        kept = {name: known[name] for name in (field.name for field in fields(UserSettings)) if name in known}
        requests.put(address, json=kept | {"max_calls": 50}, headers=headers, timeout=5)


def _answers(base: str) -> bool:
    import requests

    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{base}/healthz", timeout=2).ok
    return False
