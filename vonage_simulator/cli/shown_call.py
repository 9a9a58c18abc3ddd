"""One call, shown as it goes beside the server's replies, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import click

from vonage_simulator import tutorial_log
from vonage_simulator.carrier import Carrier
from vonage_simulator.cli import report
from vonage_simulator.cli.options import RunOptions
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.one_call import OneCall
from vonage_simulator.printable import safe
from vonage_simulator.scenario import Scenario
from vonage_simulator.trace import Happening
from vonage_simulator.transcript import line, name, webhook
from vonage_simulator.verify.server_api import Server

SERVER_COLUMN = 84  # where the server's side of the screen begins
Print = Callable[[str], None]


async def show(
    scenario: Scenario, options: RunOptions, print_: Print, carrier: Carrier, *, alone: bool, pretty: bool
) -> bool:
    """Play *scenario*; whether the Switchhook's API, if there is one, agrees with what happened.

    *alone*: the carrier has no other calls, and its time may jump. *pretty*: print webhooks only. Raises ServerError
    where the API cannot be read, ClickException where something went wrong on the way.
    """
    queue: asyncio.Queue[Happening | None] = asyncio.Queue()
    with OneCall(carrier, queue.put_nowait) as call:

        async def play() -> None:
            if alone:
                await call.place(scenario)
                await carrier.over()
            else:
                await call.play(scenario)
            queue.put_nowait(None)

        async with report.api_of(options) as server:
            shown, playing = _Shown(call, server, options, print_), asyncio.create_task(play())
            try:
                showing = shown.show_webhooks(queue) if pretty else shown.show(queue)
                troubles, _ = await asyncio.gather(showing, playing)
            except asyncio.CancelledError:  # whoever placed it looks no more
                call.hang_up()
                raise
            finally:
                playing.cancel()
            return await shown.outcome(scenario, troubles)


class _Shown:
    def __init__(self, call: OneCall, server: Server | None, options: RunOptions, print_: Print) -> None:
        self._call, self._server, self._options, self._print = call, server, options, print_

    async def show(self, queue: asyncio.Queue[Happening | None]) -> dict[str, None]:
        """Print what happens until None comes, and beside a webhook its reply; returns the troubles, each once."""
        troubles: dict[str, None] = {}
        began = None
        self._print(f"{'seconds':>8}  {'the carrier':{SERVER_COLUMN - 10}}the server")
        while (happening := await queue.get()) is not None:
            began = began or happening.at
            at = f"{(happening.at - began).total_seconds():8.3f}"
            leg = self._call.leg(happening.leg)
            if happening.what == "sent":
                sent = happening.data["sent"]
                text = f"{at}  {name(leg):14}  → {webhook(sent.body)}"
                self._print(safe(f"{text:{SERVER_COLUMN - 2}}  {await self._reply(sent)}"))
            elif happening.what == "trouble":
                troubles[trouble := _trouble(happening)] = None
                text = f"{at}  {line(replace(happening, data={'words': trouble}), leg)}"
                self._print(click.style(safe(text), fg="red"))
            elif happening.what != "status" and (words := line(happening, leg)):  # the webhook shows the status
                self._print(safe(f"{at}  {words}"))
        return troubles

    async def show_webhooks(self, queue: asyncio.Queue[Happening | None]) -> dict[str, None]:
        """Print each webhook as Vonage's tutorial does, until None comes; returns the troubles, each once."""
        troubles: dict[str, None] = {}
        shown = 0
        while (happening := await queue.get()) is not None:
            if happening.what == "trouble":
                troubles[_trouble(happening)] = None
            for sent in self._call.sent[shown:]:
                is_answer = sent.kind == "answer"
                self._print(tutorial_log.ncco_request(sent.body) if is_answer else tutorial_log.event(sent.body))
                shown += 1
        return troubles

    async def outcome(self, scenario: Scenario, troubles: dict[str, None]) -> bool:
        """Print what came of it, and whether it is what should have. Raises ClickException."""
        sent, ledger = self._call.sent, self._call.ledger
        if none := report.none_acknowledged(sent, self._options):
            raise click.ClickException(report.lines_of(none))
        well = self._server is None or await self._agrees(self._server)
        if troubles:
            raise click.ClickException(report.lines_of([*troubles, *report.advice(sent, self._options)]))
        if self._server is None and self._options.defaults.server:
            self._print("\nWhat a server knows of the call was not checked: --server names a Switchhook.")
        if never_rung := scenario.callees.keys() - {"*"} - {leg.to for leg in ledger.legs.values()}:
            self._print(f"Never rung: {', '.join(map(safe, sorted(never_rung)))}")
        return well

    async def _reply(self, sent: Sent) -> str:
        """The server's reply to a webhook, and what a Switchhook's API says of the leg after it."""
        await sent.over.wait()
        last = sent.tries[-1]
        reply = f"{last.status} in {last.seconds * 1000:.0f} ms" if last.status else last.words
        if faults := [attempt.how for attempt in sent.tries if attempt.how]:
            reply += f" ({', '.join(faults)})"
        is_here = report.is_below(sent.target.url, self._options.server)
        if self._server is None or not sent.acknowledged or not is_here:
            return reply
        conversation = await self._server.conversation(sent.conversation) or {"legs": ()}
        leg = next((leg for leg in conversation["legs"] if leg["uuid"] == sent.leg), None)
        return f"{reply}: {leg['outcome'] or leg['state']}, {conversation['state']}" if leg else reply

    async def _agrees(self, server: Server) -> bool:
        """Print what the Switchhook's API says of the call in the end, and whether that is what happened."""
        await server.settled()
        if describe := self._options.defaults.describe:
            for uuid in self._call.ledger.conversations:
                if conversation := await server.conversation(uuid):
                    self._print("\n".join(["", *describe(conversation)]))
        verdict = await report.checked(self._call.sent, self._call.ledger, self._options, server.fetch)
        self._print(f"\n{report.lines_of(verdict.lines())}")
        return verdict.ok


def _trouble(happening: Happening) -> str:
    return report.at_url(happening.data.get("url", ""), happening.data["words"])
