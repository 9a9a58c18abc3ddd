"""`flask simulate`: calls without a phone."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from app.cli.server import address_of, token_of
from app.services import services
from app.terminal import safe

if TYPE_CHECKING:  # the simulator is imported where it is used: the server starts without it
    from app.simulator.carrier import Carrier
    from app.simulator.delivery.faults import Faults
    from app.simulator.delivery.sent import Sent
    from app.simulator.ledger import Application
    from app.simulator.scenario import Scenario
    from app.simulator.server_api import Server
    from app.simulator.truth import Fetch, Verdict

FORGERIES = ("tamper", "forget", "secret", "clock", "replay")  # faults that a server finds by the signature
NEED_SECRETS = f"faults of signatures ({', '.join(FORGERIES)}) need VONAGE_SIGNATURE_SECRETS, here and at the server."


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom to call, and how."""

    application: Application
    base: str | None  # where the API is that tells of the calls; None: a server that has none
    token: str
    speed: float | None
    faults: Faults
    seed: int
    has_secret: bool

    def is_at(self, url: str) -> bool:
        """Whether *url* is one of the server's whose API tells of the calls."""
        return self.base is not None and url.startswith(f"{self.base}/")

    @property
    def forges(self) -> bool:
        """Whether it sends what the server can only find by the signature."""
        return any(self.faults.shares.get(name) for name in FORGERIES)


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
                has_secret=bool(settings.signature_secrets),
            )
            if aim.forges and not aim.has_secret:
                raise click.BadParameter(NEED_SECRETS, param_hint="--faults")
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
    _finish(run(stories, aim, aim.base, rate=rate, seconds=seconds))


# What `call` and `load` share


def _finish(work: Coroutine[Any, Any, bool]) -> None:
    """Run *work*. The command ends with 1 if it gives False, and at once, with 130, at Ctrl-C."""
    from app.simulator.server_api import NotAllowed, NotSwitchhook, NotThere, ServerError

    todo = {
        NotThere: ["`make run` starts one; --server names another."],
        NotSwitchhook: ["--server names another; --answer-url takes any server."],
        NotAllowed: ["ACCESS_TOKENS has to have one of the server's, here too."],
    }
    try:
        well = asyncio.run(work)
    except ServerError as error:
        raise click.ClickException(lines_of([str(error), *todo.get(type(error), [])])) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    if not well:
        raise click.exceptions.Exit(1)


@asynccontextmanager
async def server_at(base: str, aim: Aim) -> AsyncIterator[Server]:
    """The API of the server at *base*, once it is clear that it can tell of calls. Raises ServerError."""
    from app.simulator.server_api import Server

    settings = services().settings
    if min(settings.access_tokens)[0] == "viewer" and settings.mask_numbers:  # `token_of` takes an operator's if it can
        raise click.ClickException(
            "ACCESS_TOKENS has viewers' tokens only, and viewers see masked numbers, with which nothing can be "
            "compared: add an operator's, or set MASK_NUMBERS=off here and at the server."
        )
    async with Server(base, aim.token) as server:
        told = await server.status()  # rather now than after the calls
        if aim.forges and told["service"].get("webhook_verify") != "enforce":
            raise click.UsageError(NEED_SECRETS)
        yield server


async def checked(carrier: Carrier, aim: Aim, fetch: Fetch) -> Verdict:
    """What comes of the truth check of the server.

    What went elsewhere is nothing to it: it tells of no answer but its own, and cannot tell all of a call of whose
    events it was not sent every one.
    """
    from app.simulator.truth import check

    sent = [one for one in carrier.post.sent if one.target and aim.is_at(one.target.url)]
    if not sent:
        raise click.ClickException(f"No webhook went to {aim.base}: there is nothing that it could tell.")
    elsewhere = [one for one in carrier.post.sent if one.target and not aim.is_at(one.target.url)]
    conversations = [
        replace(conversation, asked=[asked for asked in conversation.asked if aim.is_at(asked.url)])
        for conversation in carrier.ledger.conversations.values()
    ]
    lossless = aim.faults.lossless and all(one.kind == "answer" for one in elsewhere)
    return await check(conversations, sent, fetch, lossless=lossless)


def none_taken(sent: Sequence[Sent], aim: Aim) -> list[str]:
    """If no webhook was acknowledged, and that was not the intention: so many lines that say it, and why."""
    if any(one.acknowledged for one in sent):
        return []
    said = Counter(
        at_url(one.target.url, attempt.words)
        for one in sent
        for attempt in one.tries[-1:]
        if one.target and attempt.how is None
    )
    lines = [f"{count} × {words}" for words, count in said.most_common(5)]
    return ["No webhook was acknowledged.", *lines, *advice(sent, aim)] if said else []


def at_url(url: str, words: str) -> str:
    """What went wrong at *url*, which *words* may name already."""
    return words if url in words else f"{url}: {words}"


def lines_of(lines: Iterable[str]) -> str:
    """*lines* as they are printed."""
    return "\n".join(map(safe, lines))


def advice(sent: Iterable[Sent], aim: Aim) -> list[str]:
    """What to do about some of the statuses that webhooks were answered with."""
    statuses = {attempt.status or 0 for one in sent for attempt in one.tries if attempt.how is None}
    lines = []
    if 401 in statuses:
        differs = "or VONAGE_APPLICATION_ID differs here and there" if aim.has_secret else "is not set here"
        lines.append(f"401 says that the signature is wrong: VONAGE_SIGNATURE_SECRETS {differs}.")
    if any(300 <= status < 400 for status in statuses):
        lines.append("No redirect is followed: name the address that it leads to.")
    return lines


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
