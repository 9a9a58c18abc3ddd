"""A Vonage that stays: its Voice API for an SDK, and, for `make demo`, the server and calls without end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.load import varied
from app.simulator import certificate
from app.simulator.carrier import Carrier
from app.simulator.scenario import FarEnd
from app.simulator.scenarios import every
from app.simulator.simulation import simulation
from app.simulator.voice_api.api import VoiceApi
from app.terminal import safe

if TYPE_CHECKING:
    from app.cli.simulate import Aim

CALLEE = FarEnd(after=3.0, hangs_up_after=60.0)  # whoever is called by the Voice API
STARTS_WITHIN = 60.0  # seconds a server may take
TIDY_EVERY = 60.0  # seconds


@asynccontextmanager
async def _carrier(aim: Aim, folder: Path, port: int | None) -> AsyncIterator[Carrier]:
    """A carrier with its Voice API at *port*; with none where that is None."""
    private_key, aim.application.public_key = certificate.application_keys(folder)
    async with simulation(
        aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed, callee=lambda _: CALLEE
    ) as carrier:
        api = VoiceApi(carrier)
        try:
            if port is not None:
                made = certificate.make(folder)
                base = await api.start(made, port=port)
                click.echo(f"  Voice API   {base}  (REQUESTS_CA_BUNDLE={made.ca})")
                click.echo(f"              application {aim.application.id}, private key {private_key}")
            yield carrier
        except OSError as error:
            raise click.ClickException(f"The Voice API cannot listen on port {port}: {error.strerror}.") from error
        finally:
            await api.stop()


async def serve(aim: Aim, folder: Path, port: int) -> None:
    """Be a Vonage until somebody stops it."""
    async with _carrier(aim, folder, port) as carrier:
        click.echo("  Ctrl-C stops it.")
        while True:
            await asyncio.sleep(TIDY_EVERY)
            carrier.forget()


async def demo(aim: Aim, folder: Path, port: int | None, *, every_seconds: float) -> None:
    """Let calls of all kinds come in, without end."""
    stories = [story for name, story in every().items() if name != "phone-to-app"]  # that one is always the same call
    chance = random.Random()  # noqa: S311 - which calls, not secrets
    async with _carrier(aim, folder, port) as carrier:
        click.echo(f"\n  Calls of {len(stories)} kinds come in, one every {every_seconds:g} s. Ctrl-C stops it.\n")
        tidied = time.monotonic()
        playing: set[asyncio.Task[object]] = set()
        for number in count():
            if number % len(stories) == 0:  # each once, before any comes again
                chance.shuffle(stories)
            story = varied(stories[number % len(stories)], number)
            click.echo(safe(f"{time.strftime('%H:%M:%S')}  {story.name:28}  {story.about}"))
            task = asyncio.create_task(carrier.play(story))
            playing.add(task)
            task.add_done_callback(playing.discard)
            await asyncio.sleep(every_seconds)
            if time.monotonic() - tidied > TIDY_EVERY:
                carrier.forget()
                tidied = time.monotonic()


@contextmanager
def own_server(log: Path, base: str) -> Iterator[None]:
    """The server, unless one runs at *base* already; it is stopped in the end. What it says goes to *log*."""
    if _answers(base):
        click.echo(f"  A server runs at {base} already: calls go there.")
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        # A session of its own: it is stopped once the last call was told, not by the same Ctrl-C.
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
            stdin=subprocess.DEVNULL,
            stdout=said,
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
        yield
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)


def _answers(base: str) -> bool:
    import requests

    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{base}/healthz", timeout=2).ok
    return False
