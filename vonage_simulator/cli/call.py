"""`vonage-simulator call`: one call, shown as it goes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from vonage_simulator.cli import options as given
from vonage_simulator.cli import report
from vonage_simulator.cli.options import RunOptions
from vonage_simulator.printable import safe

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    import asyncio

    from vonage_simulator.carrier import Carrier
    from vonage_simulator.delivery.sent import Sent
    from vonage_simulator.scenario import Scenario
    from vonage_simulator.trace import Happening
    from vonage_simulator.verify.server_api import Server

SERVER_COLUMN = 84  # where the server's side of the screen begins


@click.command("call")
@click.option("--from", "from_", type=given.NAME, help="Who calls: a number, an app user's name or a SIP address.")
@click.option("--to", type=given.NAME, help="The number dialled; for an app user: whom to reach.")
@click.option("--scenario", type=given.SCENARIO, help="What happens; `list` shows those built in.")
@given.digits_option
@given.says_option
@given.hang_up_option
@click.option(
    "--pretty", is_flag=True, help="Show the webhooks alone, with all their fields, as Vonage's tutorial does."
)
@given.run_options(speed="1", speed_help="20: a minute in three seconds; max: as fast as the server answers.")
def call(
    options: RunOptions,
    from_: str | None,
    to: str | None,
    scenario: Scenario | None,
    digits: tuple[str, ...] | None,
    says: tuple[str, ...],
    hang_up_after: float | None,
    pretty: bool,
) -> None:
    """Place one call and show how it goes, beside the server's replies.

    Without --scenario a phone calls, listens for 20 seconds, and hangs up. Ends with 1 if something went wrong, or if
    the API of a Switchhook (--server) disagrees with what happened.
    """
    from vonage_simulator.scenario import Call, FarEnd, Scenario

    if scenario is None:
        first = Call(from_="447700900123", to="442079460000", far_end=FarEnd(hangs_up_after=20.0))
        scenario = Scenario(name="call", about="", calls=(first,))
    first = scenario.calls[0]
    if from_:
        first = replace(first, from_=_number(from_))
        if first.direction == "inbound":
            is_sip, is_phone = first.from_.startswith(("sip:", "sips:")), first.from_.isdigit()
            first = replace(first, endpoint="sip" if is_sip else "phone" if is_phone else "app")
    far_end: dict[str, Any] = {"keys": digits, "says": says or None, "hangs_up_after": hang_up_after}
    given = {name: value for name, value in far_end.items() if value is not None}
    first = replace(first, to=_number(to) if to else first.to, far_end=replace(first.far_end, **given))
    report.finish(_call(replace(scenario, calls=(first, *scenario.calls[1:])), options, pretty=pretty))


def _number(text: str) -> str:
    """A number without a plus, blanks and dashes; anything else as it is."""
    digits = text.translate(str.maketrans("", "", "+ -()"))
    return digits if digits.isdigit() and digits.isascii() else text


async def _call(scenario: Scenario, options: RunOptions, *, pretty: bool) -> bool:
    """Play *scenario*; whether the Switchhook's API, if there is one, agrees with what happened.

    Raises ServerError where the API cannot be read, ClickException where something went wrong on the way.
    """
    import asyncio

    queue: asyncio.Queue[Happening | None] = asyncio.Queue()
    async with report.api_of(options) as server, options.carrier(queue.put_nowait) as carrier:

        async def play() -> None:
            await carrier.play(scenario)
            await carrier.over()
            queue.put_nowait(None)

        playing = asyncio.create_task(play())
        try:
            shown = _show_webhooks(queue, carrier) if pretty else _show(queue, carrier, server, options)
            troubles, _ = await asyncio.gather(shown, playing)
        finally:
            playing.cancel()
        if none := report.none_acknowledged(carrier.sender.sent, options):
            raise click.ClickException(report.lines_of(none))
        well = server is None or await _agrees(carrier, server, options)
        if troubles:
            raise click.ClickException(report.lines_of([*troubles, *report.advice(carrier.sender.sent, options)]))
        if server is None and options.defaults.server:
            click.echo("\nWhat a server knows of the call was not checked: --server names a Switchhook.")
        if never_rung := scenario.callees.keys() - {"*"} - {leg.to for leg in carrier.ledger.legs.values()}:
            click.echo(f"Never rung: {', '.join(map(safe, sorted(never_rung)))}")
        return well


async def _show(
    queue: asyncio.Queue[Happening | None], carrier: Carrier, server: Server | None, options: RunOptions
) -> dict[str, None]:
    """Print what happens until None comes, and beside a webhook its reply; returns the troubles, each once."""
    from vonage_simulator.transcript import line, name, webhook

    troubles: dict[str, None] = {}
    began = None
    click.echo(f"{'seconds':>8}  {'the carrier':{SERVER_COLUMN - 10}}the server")
    while (happening := await queue.get()) is not None:
        began = began or happening.at
        at = f"{(happening.at - began).total_seconds():8.3f}"
        leg = carrier.ledger.legs.get(happening.leg)
        if happening.what == "sent":
            sent = happening.data["sent"]
            text = f"{at}  {name(leg):14}  → {webhook(sent.body)}"
            click.echo(safe(f"{text:{SERVER_COLUMN - 2}}  {await _reply(sent, server, options)}"))
        elif happening.what == "trouble":
            troubles[trouble := _trouble(happening)] = None
            text = f"{at}  {line(replace(happening, data={'words': trouble}), leg)}"
            click.echo(click.style(safe(text), fg="red"))
        elif happening.what != "status" and (words := line(happening, leg)):  # the webhook shows the status
            click.echo(safe(f"{at}  {words}"))
        sys.stdout.flush()
    return troubles


async def _show_webhooks(queue: asyncio.Queue[Happening | None], carrier: Carrier) -> dict[str, None]:
    """Print each webhook as Vonage's tutorial does, until None comes; returns the troubles, each once."""
    from vonage_simulator import tutorial_log

    troubles: dict[str, None] = {}
    shown = 0
    while (happening := await queue.get()) is not None:
        if happening.what == "trouble":
            troubles[_trouble(happening)] = None
        for sent in carrier.sender.sent[shown:]:
            is_answer = sent.kind == "answer"
            click.echo(tutorial_log.ncco_request(sent.body) if is_answer else tutorial_log.event(sent.body))
            shown += 1
        sys.stdout.flush()
    return troubles


def _trouble(happening: Happening) -> str:
    return report.at_url(happening.data.get("url", ""), happening.data["words"])


async def _reply(sent: Sent, server: Server | None, options: RunOptions) -> str:
    """The server's reply to a webhook, and what a Switchhook's API says of the leg after it."""
    await sent.over.wait()
    last = sent.tries[-1]
    reply = f"{last.status} in {last.seconds * 1000:.0f} ms" if last.status else last.words
    if faults := [attempt.how for attempt in sent.tries if attempt.how]:
        reply += f" ({', '.join(faults)})"
    if server is None or not sent.acknowledged or not report.is_below(sent.target.url, options.server):
        return reply
    conversation = await server.conversation(sent.conversation) or {"legs": ()}
    leg = next((leg for leg in conversation["legs"] if leg["uuid"] == sent.leg), None)
    return f"{reply}: {leg['outcome'] or leg['state']}, {conversation['state']}" if leg else reply


async def _agrees(carrier: Carrier, server: Server, options: RunOptions) -> bool:
    """Print what the Switchhook's API says of the call in the end, and whether that is what happened."""
    if describe := options.defaults.describe:
        for uuid in carrier.ledger.conversations:
            if conversation := await server.conversation(uuid):
                click.echo("\n".join(["", *describe(conversation)]))
    verdict = await report.checked(carrier, options, server.fetch)
    click.echo(f"\n{report.lines_of(verdict.lines())}")
    return verdict.ok
