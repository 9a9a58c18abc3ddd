"""`vonage-simulator call`: one call, shown as it goes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from vonage_simulator.cli import options as given
from vonage_simulator.cli import report
from vonage_simulator.cli.options import RunOptions

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    from vonage_simulator.scenario import Scenario


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
        scenario = Scenario(name="call", about="one call", calls=(first,))
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
    """Whether it went well. At the carrier that runs for this server already, if that can do as *options* say."""
    from vonage_simulator.cli import running, shown_call

    if carrier := await running.find(options):
        return await carrier.call(scenario, options, _print, pretty=pretty)
    async with options.carrier() as own:
        return await shown_call.show(scenario, options, _print, own, alone=True, pretty=pretty)


def _print(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()
