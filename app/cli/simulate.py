"""`flask simulate`: calls without a phone."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import Aim, aimed
from app.terminal import safe

if TYPE_CHECKING:  # the simulator is imported where it is used: the server starts without it
    from vonage_simulator.scenario import Scenario


@click.group("simulate")
def simulate() -> None:
    """A Vonage that is not: places calls without a phone, account or internet."""


@simulate.command("call")
@click.option("--from", "from_", metavar="NUMBER", help="Who calls: a number, an app user's name or a SIP address.")
@click.option("--to", metavar="NUMBER", help="The number dialled; an app user: whom to reach.")
@click.option("--scenario", metavar="NAME|FILE", help="How it goes; `simulate list` has them.")
@click.option("--digits", metavar="KEYS", help="What the caller presses: 1,12# is 1 first, 12# at the next input.")
@click.option("--says", metavar="WORDS", multiple=True, help="What the caller says; once for each input that listens.")
@click.option("--hang-up-after", type=click.FloatRange(0), metavar="SECONDS", help="When the caller hangs up.")
@aimed(speed="1", help_of_speed="20: a minute in three seconds; max: as fast as the server answers.")
def call(
    aim: Aim,
    from_: str | None,
    to: str | None,
    scenario: str | None,
    digits: str | None,
    says: tuple[str, ...],
    hang_up_after: float | None,
) -> None:
    """Place one call and show how it goes, beside what the server says of it.

    Without --scenario somebody calls, listens for 20 seconds, and hangs up. Ends with 1 if something went wrong, or the
    server tells of the call other than it was.
    """
    from app.cli.call import place

    story = found(scenario) if scenario else _plain_call()
    changes: dict[str, Any] = {}
    for given, option in ((from_, "--from"), (to, "--to")):
        if given is not None and not given.strip():
            raise click.BadParameter("nobody is called nothing", param_hint=option)
    if from_:
        changes["from_"] = _number(from_)
        if story.calls[0].direction == "inbound":
            changes["endpoint"] = _endpoint(changes["from_"])
    if to:
        changes["to"] = _number(to)
    first = replace(story.calls[0], **changes)
    far_end = first.far_end
    if digits is not None:
        if not re.fullmatch(r"[0-9*#,]*", digits):
            raise click.BadParameter("0 to 9, * and #, with a comma between two inputs", param_hint="--digits")
        far_end = replace(far_end, keys=tuple(digits.split(",")))
    if says:
        far_end = replace(far_end, says=says)
    if hang_up_after is not None:
        far_end = replace(far_end, hangs_up_after=hang_up_after)
    story = replace(story, calls=(replace(first, far_end=far_end), *story.calls[1:]))
    _finish(place(story, aim))


@simulate.command("list")
def list_() -> None:
    """List the scenarios, and the faults that a delivery may have."""
    from vonage_simulator.delivery.fault_plan import LOSSLESS, LOSSY
    from vonage_simulator.scenarios import every

    click.echo("Scenarios, for --scenario:")
    for name, scenario in every().items():
        click.echo(f"  {name:29}{scenario.about}")
    for title, faults in (("that lose nothing (all of them: lossless)", LOSSLESS), ("that lose webhooks", LOSSY)):
        click.echo(f"\nFaults {title}, for --faults; name=0.3 is the share they befall:")
        for name, words in faults.items():
            click.echo(f"  {name:29}{words}")


@simulate.command("load")
@click.option("--rate", default=10.0, show_default=True, type=click.FloatRange(0.01, 1000), help="Calls a second.")
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(0.1, 86400), help="For how long.")
@click.option("--scenario", "names", multiple=True, metavar="NAME|FILE", help="Only these; default: all of them.")
@aimed(speed="20", help_of_speed="How much faster than life each call goes.")
def load(aim: Aim, rate: float, seconds: float, names: tuple[str, ...]) -> None:
    """Place many calls at once, then check that the server tells the truth of each. Ends with 1 if it does not.

    With faults that lose nothing every status, time, duration, price and move has to be right. With others: nothing
    that the server acknowledged may be missing, and nothing that it refused may be there.
    """
    from app.cli.load import run
    from vonage_simulator.scenarios import every

    if aim.base is None:
        raise click.UsageError("load checks what the server tells: it needs a Switchhook (--server).")
    if aim.speed is None:
        raise click.BadParameter("a load goes by a clock: give a number", param_hint="--speed")
    if not (math.isfinite(rate) and math.isfinite(seconds)):
        raise click.UsageError("--rate and --seconds are numbers.")
    stories = [found(name) for name in names] or list(every().values())
    _finish(run(stories, aim, aim.base, rate=rate, seconds=seconds))


def _finish(work: Coroutine[Any, Any, bool]) -> None:
    """Run *work*. The command ends with 1 if it gives False, and at once, with 130, at Ctrl-C."""
    from vonage_simulator.verify.server_api import NotAllowed, NotSwitchhook, NotThere, ServerError

    todo = {
        NotThere: ["`make run` starts one; --server names another."],
        NotSwitchhook: ["--server names another; --answer-url takes any server."],
        NotAllowed: ["ACCESS_TOKENS has to have one of the server's, here too."],
    }
    try:
        well = asyncio.run(work)
    except ServerError as error:
        raise click.ClickException("\n".join([safe(str(error)), *todo.get(type(error), [])])) from error
    except (OSError, ExceptionGroup) as error:  # whoever read what is printed is gone, or the disk is full
        if isinstance(error, OSError) or error.subgroup(OSError):
            raise click.exceptions.Exit(1) from error
        raise
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if not well:
        raise click.exceptions.Exit(1)


def found(name: str) -> Scenario:
    """The scenario that an option names. Raises BadParameter."""
    from vonage_simulator.scenarios import NoSuchScenario, find
    from vonage_simulator.yaml_source import Faults as Wrong

    try:
        return find(name)
    except (NoSuchScenario, Wrong) as error:
        words = "\n".join(map(safe, str(error).splitlines()))
        raise click.BadParameter(words, param_hint="--scenario") from error


def _plain_call() -> Scenario:
    from vonage_simulator.scenario import Call, FarEnd, Scenario

    caller = FarEnd(hangs_up_after=20.0)
    return Scenario(name="call", about="", calls=(Call(from_="447700900123", to="442079460000", far_end=caller),))


def _number(text: str) -> str:
    """A number without a plus, blanks and dashes; anything else as it is."""
    digits = text.translate(str.maketrans("", "", "+ -()"))
    return digits if digits.isdigit() and digits.isascii() else text


def _endpoint(caller: str) -> str:
    if caller.startswith(("sip:", "sips:")):
        return "sip"
    return "phone" if caller.isdigit() else "app"
