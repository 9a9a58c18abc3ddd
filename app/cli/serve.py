"""A Vonage that stays: its Voice API for an SDK, and, for `make demo`, the server and calls without end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.load import varied
from app.terminal import safe
from vonage_simulator import certificate
from vonage_simulator.carrier import Carrier
from vonage_simulator.scenario import FarEnd, Scenario
from vonage_simulator.scenarios import every
from vonage_simulator.simulation import simulation
from vonage_simulator.trace import Happening, Watch
from vonage_simulator.transcript import line
from vonage_simulator.voice_api.api import VoiceApi

if TYPE_CHECKING:
    from app.cli.options import Aim

CALLEE = FarEnd(after=3.0, hangs_up_after=60.0)  # whoever is called by the Voice API
STARTS_WITHIN = 60.0  # seconds a server may take
TIDY_EVERY = 60.0  # seconds


@asynccontextmanager
async def _carrier(
    aim: Aim,
    folder: Path,
    port: int | None,
    *,
    watch: Watch | None = None,
    callee: Callable[[str], FarEnd] = lambda _: CALLEE,
) -> AsyncIterator[Carrier]:
    """A carrier with its Voice API at *port*; with none where that is None."""
    private_key, aim.application.public_key = certificate.application_keys(folder)
    async with simulation(
        aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed, watch=watch, callee=callee
    ) as carrier:
        api = VoiceApi(carrier)
        try:
            if port is not None:
                made = certificate.make(folder)
                base = await _listening(api, made, port)
                click.echo(f"  Voice API   {base}  (REQUESTS_CA_BUNDLE={made.ca})")
                click.echo(f"              application {aim.application.id}, private key {private_key}")
                click.echo(f"              API key {aim.application.api_key}, API secret {aim.application.api_secret}")
            yield carrier
        finally:
            await api.stop()


async def _listening(api: VoiceApi, made: certificate.Certificate, port: int) -> str:
    try:
        return await api.start(made, port=port)
    except OSError as error:
        raise click.ClickException(f"The Voice API cannot listen on port {port}: {error.strerror}.") from error


async def serve(aim: Aim, folder: Path, port: int, callees: Scenario | None) -> None:
    """Be a Vonage until somebody stops it, and say what happens; *callees* says what those do who are called."""

    def say(one: Happening) -> None:
        if text := line(one, carrier.ledger.legs.get(one.leg)):
            click.echo(safe(f"{one.at:%H:%M:%S}  {text}"))

    aim.application.calls_per_second = 3.0  # as Vonage has it: help article 207100288
    async with _carrier(
        aim, folder, port, watch=say, callee=callees.callee if callees else lambda _: CALLEE
    ) as carrier:
        click.echo("  Ctrl-C stops it.\n")
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
def stopped_gently() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, are taken as Ctrl-C is: what was started is stopped as well."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def own_server(log: Path, base: str, own: str) -> Iterator[None]:
    """A server at *own*, if that is *base* and none runs there yet; it is stopped in the end. It speaks to *log*."""
    if _answers(base):
        click.echo(f"\n  A server runs at {base} already: calls go there.")
        yield
        return
    if base != own:
        raise click.ClickException(f"Nobody answers at {base}.")
    click.echo(f"\n  Starting the server; what it says goes to {log}")
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
