"""One simulated call, shown as it goes, beside what the server says of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import click

from app.cli.options import Aim
from app.cli.report import advice, at_url, checked, lines_of, none_taken, server_at
from app.terminal import call_lines, safe
from vonage_simulator.carrier import Carrier
from vonage_simulator.scenario import Scenario
from vonage_simulator.simulation import simulation
from vonage_simulator.trace import Happening
from vonage_simulator.transcript import line, name, webhook
from vonage_simulator.verify.server_api import Server

BESIDE = 84  # the column where the server's side begins


async def place(story: Scenario, aim: Aim) -> bool:
    """Let *story* happen; whether the server tells the truth of it.

    Raises ServerError where it tells nothing, ClickException where something went wrong on the way to it.
    """
    queue: asyncio.Queue[Happening | None] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(server_at(aim.base, aim)) if aim.base else None
        carrier = await stack.enter_async_context(
            simulation(aim.application, speed=aim.speed, faults=aim.faults, seed=aim.seed, watch=queue.put_nowait)
        )

        async def go() -> None:
            await carrier.play(story)
            await carrier.over()
            queue.put_nowait(None)

        screen, going = _Screen(carrier, server, aim), asyncio.create_task(go())
        try:
            await asyncio.gather(screen.show(queue), going)
        finally:
            going.cancel()
        if none := none_taken(carrier.sender.sent, aim):
            raise click.ClickException(lines_of(none))
        well = await _verdict(carrier, server, aim)
        if screen.troubles:
            raise click.ClickException(lines_of([*screen.troubles, *advice(carrier.sender.sent, aim)]))
        if unrung := story.callees.keys() - {"*"} - {leg.to for leg in carrier.ledger.legs.values()}:
            click.echo(f"Never rung: {', '.join(map(safe, sorted(unrung)))}")
        return well


class _Screen:
    """Lines, in the order in which things happened; what the server says of a webhook stands beside it."""

    def __init__(self, carrier: Carrier, server: Server | None, aim: Aim) -> None:
        self.troubles: dict[str, None] = {}  # each once
        self._carrier = carrier
        self._server = server
        self._aim = aim
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
                click.echo(safe(f"{text:{BESIDE - 2}}  {await self._said(sent)}"))
            elif one.what == "trouble":
                trouble = at_url(one.data.get("url", ""), one.data["words"])
                self.troubles[trouble] = None
                click.echo(click.style(safe(f"{at}  {line(replace(one, data={'words': trouble}), leg)}"), fg="red"))
            elif one.what != "status" and (words := line(one, leg)):  # a status is told by its webhook
                click.echo(safe(f"{at}  {words}"))
            sys.stdout.flush()

    async def _said(self, sent: Any) -> str:
        """What the server answered to a webhook, and how it then tells the leg."""
        await sent.over.wait()
        tried = sent.tries[-1]
        said = f"{tried.status} in {tried.seconds * 1000:.0f} ms" if tried.status else tried.words
        if hows := [one.how for one in sent.tries if one.how]:
            said += f" ({', '.join(hows)})"
        if self._server is None or not sent.acknowledged or not self._aim.is_at(sent.target.url):
            return said
        told = await self._server.conversation(sent.conversation)
        leg = next((leg for leg in (told or {}).get("legs", ()) if leg["uuid"] == sent.leg), None)
        return f"{said}: {leg['outcome'] or leg['state']}, {told['state']}" if told and leg else said


async def _verdict(carrier: Carrier, server: Server | None, aim: Aim) -> bool:
    """What the server tells in the end, and whether that is so."""
    if server is None:
        click.echo("\nWhat a server knows of the call was not looked at: --server names a Switchhook that can tell.")
        return True
    for uuid in carrier.ledger.conversations:
        if told := await server.conversation(uuid):
            click.echo("\n".join(["", *call_lines(told)]))
    verdict = await checked(carrier, aim, server.fetch)
    click.echo(f"\n{lines_of(verdict.lines())}")
    return verdict.ok
