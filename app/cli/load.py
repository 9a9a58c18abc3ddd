"""Many simulated calls at once, then the truth check."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from app.simulator.scenario import Scenario
from app.simulator.server_api import Server, ServerError, Told
from app.simulator.simulation import simulation
from app.simulator.truth import check
from app.terminal import safe

if TYPE_CHECKING:
    from app.cli.simulate import Aim

SHOWN_EVERY = 0.25  # seconds


async def run(stories: Sequence[Scenario], aim: Aim, base: str, *, rate: float, seconds: float) -> bool:
    """Let *rate* scenarios a second begin, for *seconds*; whether the server at *base* tells the truth of them all."""
    wanted = max(1, round(rate * seconds))
    chance = random.Random(aim.seed)  # noqa: S311 - which calls, not secrets
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(base, aim.token))
        try:
            await server.status()  # rather now than after the calls
        except ServerError as error:
            raise click.ClickException(str(error)) from error
        carrier = await stack.enter_async_context(
            simulation(aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed)
        )
        with click.progressbar(length=wanted, label=f"{wanted} calls") as bar:
            playing: set[asyncio.Task[object]] = set()
            begun = time.monotonic()
            for number in range(wanted):
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
                story = varied(chance.choice(stories), number)
                playing.add(asyncio.create_task(carrier.play(story)))
                bar.update(1)
            await asyncio.gather(*playing)
        over = asyncio.ensure_future(carrier.over())
        with click.progressbar(length=1, label="until the last is over") as bar:
            await over
            bar.update(1)
        took = time.monotonic() - begun
        conversations = list(carrier.ledger.conversations.values())
        with click.progressbar(length=len(conversations), label=f"{len(conversations)} conversations checked") as bar:

            async def fetch(uuid: str) -> tuple[Told | None, list[Told]]:
                told = await server.told(uuid)
                bar.update(1)
                return told

            try:
                verdict = await check(conversations, carrier.post.sent, fetch, lossless=aim.faults.lossless)
            except ServerError as error:
                raise click.ClickException(str(error)) from error
        tries = sum(len(sent.tries) for sent in carrier.post.sent)
        click.echo(f"{tries} requests in {took:.1f} s, {tries / took:.0f} a second")
        click.echo("\n".join(map(safe, verdict.lines())))
        return verdict.ok


def varied(story: Scenario, number: int) -> Scenario:
    """*story* with callers of their own, as they come in a load. The published call stays as it is."""
    if story.name == "phone-to-app":
        return story
    calls = tuple(
        replace(call, from_=f"447700900{(number + place) % 1000:03}")
        if call.endpoint == "phone" and call.direction == "inbound"
        else call
        for place, call in enumerate(story.calls)
    )
    return replace(story, calls=calls)
