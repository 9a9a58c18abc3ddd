"""One simulated call, shown as it goes, beside what the server says of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import click

from app.simulator.carrier import Carrier
from app.simulator.happenings import Happening
from app.simulator.server_api import Server, ServerError
from app.simulator.simulation import simulation
from app.simulator.telling import line, name, webhook
from app.simulator.truth import check
from app.terminal import call_lines, safe

if TYPE_CHECKING:
    from app.cli.simulate import Aim
    from app.simulator.scenario import Scenario

BESIDE = 84  # the column where the server's side begins


async def place(story: Scenario, aim: Aim) -> bool:
    """Let *story* happen; whether all went well and the server tells the truth of it."""
    queue: asyncio.Queue[Happening | None] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(aim.base, aim.token)) if aim.base else None
        try:
            if server:
                await server.status()  # rather now than after the call
        except ServerError as fault:
            raise click.ClickException(str(fault)) from fault
        carrier = await stack.enter_async_context(
            simulation(aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed, watch=queue.put_nowait)
        )
        screen = _Screen(carrier, server)
        showing = asyncio.create_task(screen.show(queue))
        await carrier.play(story)
        await carrier.over()
        queue.put_nowait(None)
        await showing
        return await _verdict(carrier, server, aim) and not screen.troubles


class _Screen:
    """Lines, in the order in which things happened; what the server says of a webhook stands beside it."""

    def __init__(self, carrier: Carrier, server: Server | None) -> None:
        self.troubles = 0
        self._carrier = carrier
        self._server = server
        self._begun: Any = None

    async def show(self, queue: asyncio.Queue[Happening | None]) -> None:
        """Print until None comes."""
        click.echo(f"{'seconds':>8}  {'the carrier':{BESIDE - 10}}the server")
        while (one := await queue.get()) is not None:
            self._begun = self._begun or one.at
            at = f"{(one.at - self._begun).total_seconds():8.3f}"
            leg = self._carrier.ledger.legs.get(one.leg)
            if one.what == "sent":
                sent = one.data["sent"]
                text = f"{at}  {name(leg):14}  → {webhook(sent.body)}"
                click.echo(safe(f"{text:{BESIDE}}{await self._said(sent)}"))
            elif one.what == "trouble":
                self.troubles += 1
                click.echo(click.style(safe(f"{at}  {line(one, leg)}"), fg="red"), err=True)
            elif one.what != "status" and (words := line(one, leg)):  # a status is told by its webhook
                click.echo(safe(f"{at}  {words}"))
            sys.stdout.flush()

    async def _said(self, sent: Any) -> str:
        """What the server answered to a webhook, and how it then tells the leg."""
        await sent.over.wait()
        tried = sent.tries[-1]
        said = f"{tried.status} in {tried.seconds * 1000:.0f} ms" if tried.status else tried.words
        if self._server is None:
            return said
        told = await self._server.conversation(sent.conversation)
        leg = next((leg for leg in (told or {}).get("legs", ()) if leg["uuid"] == sent.leg), None)
        return f"{said}: {leg['outcome'] or leg['state']}, {told['state']}" if told and leg else said


async def _verdict(carrier: Carrier, server: Server | None, aim: Aim) -> bool:
    """What the server tells in the end, and whether that is so."""
    if server is None:
        return True
    conversations = list(carrier.ledger.conversations.values())
    for conversation in conversations:
        if told := await server.conversation(conversation.uuid):
            click.echo("\n".join(["", *call_lines(told)]))
    verdict = await check(conversations, carrier.post.sent, server.told, lossless=aim.faults.lossless)
    click.echo("\n".join(["", *map(safe, verdict.lines())]))
    return verdict.ok
