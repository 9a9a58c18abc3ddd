"""Many simulated calls at once, then the truth check."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import click

from app.cli.options import Aim
from app.cli.report import checked, lines_of, none_taken, server_at
from vonage_simulator.carrier import Carrier
from vonage_simulator.delivery.attempt import SUCCESS
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Scenario
from vonage_simulator.simulation import simulation
from vonage_simulator.verify.server_api import Json

SHOWN_EVERY = 0.25  # seconds


async def run(stories: Sequence[Scenario], aim: Aim, base: str, *, rate: float, seconds: float) -> bool:
    """Let *rate* scenarios a second begin, for *seconds*; whether the server at *base* tells the truth of them all.

    Raises ServerError where it tells nothing.
    """
    wanted = max(1, round(rate * seconds))
    chance = random.Random(aim.seed)  # noqa: S311 - which calls, not secrets
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(server_at(base, aim))
        carrier = await stack.enter_async_context(
            simulation(aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed)
        )
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            playing = []
            with click.progressbar(length=wanted, label=f"placing {wanted} calls") as bar:
                for number in range(wanted):
                    await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
                    story = varied(chance.choice(stories), number)
                    playing.append(tasks.create_task(carrier.play(story)))
                    bar.update(1)
            await _shown(carrier, tasks.create_task(_over(carrier, playing)))
        took = time.monotonic() - begun
        if none := none_taken(carrier.sender.sent, aim):
            raise click.ClickException(lines_of(none))
        conversations = len(carrier.ledger.conversations)
        with click.progressbar(length=conversations, label=f"checking {conversations} conversations") as bar:
            seen: set[str] = set()
            known: list[str] = []

            async def fetch(uuid: str) -> tuple[Json | None, list[Json]]:
                told = await server.fetch(uuid)
                bar.update(uuid not in seen)  # one of which an answer is missing is looked at again
                seen.add(uuid)
                if told[0] is not None:
                    known.append(uuid)
                return told

            verdict = await checked(carrier, aim, fetch)
        unlisted = await server.unlisted(known)
    tries = [one for sent in carrier.sender.sent for one in sent.tries]
    click.echo(f"{len(tries)} requests in {took:.1f} s, {len(tries) / took:.0f} a second")
    click.echo(lines_of(verdict.lines()))
    if by_itself := Counter(one.words for one in tries if one.how is None and one.status not in SUCCESS):
        said = ", ".join(f"{count} × {words}" for words, count in by_itself.most_common(5))
        click.echo(lines_of([f"Went wrong by itself: {said}"]))  # a server that is too slow, or has a fault
    if unlisted:
        click.echo(lines_of([f"Not in the list of conversations: {len(unlisted)}, as {', '.join(unlisted[:5])}"]))
    return verdict.ok and not unlisted


async def _over(carrier: Carrier, playing: Iterable[asyncio.Task[list[Leg]]]) -> None:
    """Return once all calls are placed and over, and all about them was sent."""
    await asyncio.gather(*playing)
    await carrier.over()


async def _shown(carrier: Carrier, over: asyncio.Task[None]) -> None:
    """Show how much is still going on until *over* is done."""

    def going_on() -> int:
        open_legs = sum(not leg.over for leg in carrier.ledger.legs.values())
        return open_legs + sum(not sent.over.is_set() for sent in carrier.sender.sent if sent.target)

    most = max(1, going_on())
    with click.progressbar(length=most, label="waiting for the last of them") as bar:
        while not over.done():
            bar.update(max(0, most - going_on() - bar.pos))
            await asyncio.wait((over,), timeout=SHOWN_EVERY)
        bar.update(most - bar.pos)


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
