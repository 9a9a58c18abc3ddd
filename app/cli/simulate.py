"""`flask simulate`: calls without a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from app.cli.server import address_of, token_of
from app.services import services

if TYPE_CHECKING:  # the simulator is imported where it is used: the server starts without it
    from app.simulator.delivery.faults import Faults
    from app.simulator.ledger import Application
    from app.simulator.scenario import Scenario

URL = "http://… or https://…"


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom to call, and how."""

    application: Application
    base: str | None  # where the API is that tells of the calls; None: a server that has none
    token: str
    speed: float | None
    faults: Faults
    seed: int


@click.group("simulate")
def simulate() -> None:
    """A Vonage that is not: places calls without a phone, account or internet."""


def aimed(*, speed: str, help_of_speed: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that say which server it calls, and an `Aim` made of them."""

    def give(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--server", metavar="URL", help="The Switchhook to call; default: the one `make run` starts.")
        @click.option("--answer-url", metavar="URL", help="Ask here what to do: any server's, a Switchhook or not.")
        @click.option("--event-url", metavar="URL", help="Send events here; with --answer-url the default is nowhere.")
        @click.option("--fallback-url", metavar="URL", help="Ask here if the answer URL fails.")
        @click.option("--answer-method", type=click.Choice(["GET", "POST"]), default="GET", show_default=True)
        @click.option("--event-method", type=click.Choice(["POST", "GET"]), default="POST", show_default=True)
        @click.option("--speed", default=speed, show_default=True, metavar="FACTOR", help=help_of_speed)
        @click.option("--faults", default="", metavar="NAMES", help="What goes wrong on the way; see `simulate list`.")
        @click.option("--seed", default=0, show_default=True, help="Of the faults: the same one, the same faults.")
        @wraps(command)
        def run(
            server: str | None,
            answer_url: str | None,
            event_url: str | None,
            fallback_url: str | None,
            answer_method: str,
            event_method: str,
            speed: str,
            faults: str,
            seed: int,
            **options: Any,
        ) -> None:
            from app.simulator.delivery.faults import Faults
            from app.simulator.simulation import application

            settings = services().settings
            own = answer_url or event_url
            base = address_of(settings, server, option="--server") if server or not own else None
            for name, url in (("answer", answer_url), ("event", event_url), ("fallback", fallback_url)):
                if url and not url.startswith(("http://", "https://")):
                    raise click.BadParameter("begin it with http:// or https://", param_hint=f"--{name}-url")
            if base:
                answer_url = answer_url or f"{base}/voice/answer"
                event_url = event_url or f"{base}/voice/event"
                fallback_url = fallback_url or f"{base}/voice/fallback"
            try:
                wanted = Faults.read(faults)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint="--faults") from error
            aim = Aim(
                application=application(
                    answer_url=answer_url,
                    event_url=event_url,
                    fallback_url=fallback_url,
                    answer_method=answer_method,
                    event_method=event_method,
                    application_id=settings.application_id,
                    secret=settings.signature_secrets[0] if settings.signature_secrets else None,
                ),
                base=base,
                token=token_of(settings),
                speed=_speed(speed),
                faults=wanted,
                seed=seed,
            )
            command(aim=aim, **options)

        return run

    return give


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1000:
        raise click.BadParameter("a number above 0, at most 1000, or the word max", param_hint="--speed")
    return speed


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
    from app.cli.placed import place

    story = _found(scenario) if scenario else _plain_call()
    changes: dict[str, Any] = {}
    if from_:
        changes["from_"] = _number(from_)
        if not scenario:
            changes["endpoint"] = _endpoint(changes["from_"])
    if to:
        changes["to"] = _number(to)
    first = replace(story.calls[0], **changes)
    far_end = first.far_end
    if digits is not None:
        far_end = replace(far_end, keys=tuple(digits.split(",")))
    if says:
        far_end = replace(far_end, says=says)
    if hang_up_after is not None:
        far_end = replace(far_end, hangs_up_after=hang_up_after)
    story = replace(story, calls=(replace(first, far_end=far_end), *story.calls[1:]))
    if not asyncio.run(place(story, aim)):
        raise click.exceptions.Exit(1)


@simulate.command("list")
def list_() -> None:
    """List the scenarios, and the faults that a delivery may have."""
    from app.simulator.delivery.faults import LOSSLESS, LOSSY
    from app.simulator.scenarios import every

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
    from app.simulator.scenarios import every

    if aim.base is None:
        raise click.UsageError("load checks what the server tells: it needs a Switchhook (--server).")
    if aim.speed is None:
        raise click.BadParameter("a load goes by a clock: give a number", param_hint="--speed")
    stories = [_found(name) for name in names] or list(every().values())
    if not asyncio.run(run(stories, aim, aim.base, rate=rate, seconds=seconds)):
        raise click.exceptions.Exit(1)


def _found(name: str) -> Scenario:
    from app.located import Faults as Wrong
    from app.simulator.scenarios import NoSuchScenario, find

    try:
        return find(name)
    except (NoSuchScenario, Wrong) as error:
        raise click.BadParameter(str(error), param_hint="--scenario") from error


def _plain_call() -> Scenario:
    from app.simulator.scenario import Call, FarEnd, Scenario

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
