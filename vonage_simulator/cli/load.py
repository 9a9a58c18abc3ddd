"""`vonage-simulator load`: many calls at once."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vonage_simulator.cli.options import SCENARIO, RunOptions, run_options
from vonage_simulator.cli.report import api_of, at_url, checked, counted, finish, lines_of, none_acknowledged
from vonage_simulator.printable import count

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    import asyncio
    from collections.abc import Iterable, Sequence

    from vonage_simulator.carrier import Carrier
    from vonage_simulator.ledger import Leg
    from vonage_simulator.scenario import Call, Scenario
    from vonage_simulator.trace import Happening
    from vonage_simulator.verify.server_api import Json, Server

SHOWN_EVERY = 0.25  # seconds


@click.command("load")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(0.01, 1000), help="Calls a second.")
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(0.1, 86400), help="For how long.")
@click.option(
    "--scenario",
    "scenarios",
    type=SCENARIO,
    multiple=True,
    help="Only these. Default: all of them; without --server, those that request the answer URL.",
)
@run_options(speed="20", speed_help="How much faster than life each call goes.")
def load(options: RunOptions, rate: float, seconds: float, scenarios: tuple[Scenario, ...]) -> None:
    """Place many calls at once. Ends with 1 if anything went wrong.

    With --server the Switchhook's API is then compared with what happened: if the faults lose nothing, every status,
    time, duration, price and move has to be right. With others no webhook that it acknowledged may be missing, and none
    that it refused may be there.
    """
    from vonage_simulator.scenarios import every

    if options.speed is None:
        raise click.BadParameter("a load goes by a clock: give a number", param_hint="--speed")
    if not (math.isfinite(rate) and math.isfinite(seconds)):
        raise click.UsageError("--rate and --seconds are numbers.")
    if not scenarios:
        scenarios = tuple(
            scenario
            for scenario in every().values()
            if options.server or all(_fits_any_server(call) for call in scenario.calls)
        )
    finish(_load(scenarios, options, rate=rate, seconds=seconds))


def _fits_any_server(call: Call) -> bool:
    """Whether *call* requests the answer URL, and needs no callee: which ones are rung is the server's choice."""
    return call.ncco is None and all(command.to == "call" for command in call.control)


async def _load(scenarios: Sequence[Scenario], options: RunOptions, *, rate: float, seconds: float) -> bool:
    """Begin *rate* scenarios a second, for *seconds*; whether all of it went well. Raises ServerError."""
    import asyncio

    from vonage_simulator.delivery.attempt import SUCCESS

    calls = max(1, round(rate * seconds))
    chance = random.Random(options.seed)  # noqa: S311 - which calls, not secrets
    troubles: Counter[str] = Counter()

    def note(happening: Happening) -> None:
        if happening.what == "trouble":
            troubles[at_url(happening.data.get("url", ""), happening.data["words"])] += 1

    async with api_of(options) as server, options.carrier(note) as carrier:
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            playing = []
            with click.progressbar(length=calls, label=f"placing {count(calls, 'call')}") as bar:
                for number in range(calls):
                    await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                    playing.append(tasks.create_task(carrier.play(varied(chance.choice(scenarios), number))))
                    bar.update(1)
            await _finished(carrier, playing, tasks)
        took = time.monotonic() - began
        if none := none_acknowledged(carrier.sender.sent, options):
            raise click.ClickException(lines_of(none))
        well, verdict = await _check(carrier, server, options) if server else (not troubles, [])
    tries = [attempt for sent in carrier.sender.sent for attempt in sent.tries]
    click.echo(f"{count(len(tries), 'request')} in {took:.1f} s, {len(tries) / took:.0f} a second")
    if server is None:
        verdict = [f"{count(calls, 'call')}: {'all went well' if well else 'this went wrong'}", *counted(troubles)]
    elif by_itself := Counter(
        attempt.words for attempt in tries if attempt.how is None and attempt.status not in SUCCESS
    ):
        verdict.insert(1, f"Went wrong by itself: {', '.join(counted(by_itself))}")  # too slow a server, or a fault
    click.echo(lines_of(verdict))
    return well


async def _check(carrier: Carrier, server: Server, options: RunOptions) -> tuple[bool, list[str]]:
    """Whether the Switchhook's API agrees with what happened, and lines that say so."""
    conversations = len(carrier.ledger.conversations)
    in_api: dict[str, bool] = {}
    with click.progressbar(length=conversations, label=f"checking {count(conversations, 'conversation')}") as bar:

        async def fetch(uuid: str) -> tuple[Json | None, list[Json]]:
            found = await server.fetch(uuid)
            bar.update(uuid not in in_api)  # a conversation that lacks an answer is fetched again
            in_api[uuid] = found[0] is not None
            return found

        await server.settled()
        verdict = await checked(carrier.sender.sent, carrier.ledger, options, fetch)
    lines = verdict.lines()
    if unlisted := await server.unlisted([uuid for uuid, known in in_api.items() if known]):
        lines.append(f"Not in the list of conversations: {len(unlisted)}, as {', '.join(unlisted[:5])}")
    return verdict.ok and not unlisted, lines


async def _finished(carrier: Carrier, playing: Iterable[asyncio.Task[list[Leg]]], tasks: asyncio.TaskGroup) -> None:
    """Show how much is still going on, until all calls are over and every webhook is sent."""
    import asyncio

    async def finish() -> None:
        await asyncio.gather(*playing)
        await carrier.over()

    def going_on() -> int:
        open_legs = sum(not leg.over for leg in carrier.ledger.legs.values())
        return open_legs + sum(not sent.over.is_set() for sent in carrier.sender.sent)

    most, over = max(1, going_on()), tasks.create_task(finish())
    with click.progressbar(length=most, label="waiting for the last of them") as bar:
        while not over.done():
            bar.update(max(0, most - going_on() - bar.pos))
            await asyncio.wait((over,), timeout=SHOWN_EVERY)
        bar.update(most - bar.pos)


def varied(scenario: Scenario, number: int) -> Scenario:
    """*scenario* with other callers for each *number*. The published call stays as it is."""
    if scenario.name == "phone-to-app":
        return scenario
    calls = tuple(
        replace(call, from_=f"447700900{(number + index) % 1000:03}")
        if call.endpoint == "phone" and call.direction == "inbound"
        else call
        for index, call in enumerate(scenario.calls)
    )
    return replace(scenario, calls=calls)
