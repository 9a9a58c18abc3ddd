"""`flask simulate serve` and `flask simulate demo`: a Vonage that stays."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from app.cli.client import address_of
from app.cli.options import Aim, aimed
from app.cli.simulate import found, simulate
from app.services import services

VOICE_API_PORT = 8443
OF_SPEED = "How much faster than life calls go."


@simulate.command("serve")
@click.option("--api-port", default=VOICE_API_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--scenario", metavar="NAME|FILE", help="Its callees say what happens to those who are called.")
@aimed(speed="1", help_of_speed=OF_SPEED)
def serve(aim: Aim, api_port: int, scenario: str | None) -> None:
    """Be a Vonage for your program: its Voice API over HTTPS, for the vonage SDK as it is.

    Whom it calls answers after three seconds and hangs up a minute later, unless a scenario's callees say otherwise.
    The webhooks go to the server.
    """
    from app.cli.serve import serve as run
    from app.cli.serve import stopped_gently

    with stopped_gently():
        asyncio.run(run(aim, _folder(), api_port, found(scenario) if scenario else None))


@simulate.command("demo")
@click.option("--every", default=3.0, show_default=True, type=click.FloatRange(0.1), help="Seconds between two calls.")
@click.option("--api-port", type=click.IntRange(0, 65535), help="Have the Voice API too, at this port.")
@aimed(speed="1", help_of_speed=OF_SPEED)
def demo(aim: Aim, every: float, api_port: int | None) -> None:
    """Start the server, and let calls of all kinds come in without end: `make demo`."""
    from app.cli.serve import demo as run
    from app.cli.serve import own_server, stopped_gently
    from config.gunicorn import banner

    if aim.base is None:
        raise click.UsageError("demo shows what a Switchhook tells: name one with --server, or none to start one.")
    settings = services().settings
    own = address_of(settings, None)
    with stopped_gently(), own_server(settings.data_dir / "demo.log", aim.base, own):
        click.echo(banner(settings).replace("\n  Ctrl-C stops it.", ""), nl=False)
        given = "".join(f"{name}={os.environ[name]} " for name in ("PORT", "DATA_DIR", "HOST") if name in os.environ)
        click.echo(f"  Call it     {given}.venv/bin/flask simulate call --scenario ring-group")
        asyncio.run(run(aim, _folder(), api_port, every_seconds=every))


def _folder() -> Path:
    return services().settings.data_dir / "simulator"
