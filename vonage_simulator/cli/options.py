"""The options that the commands share: which server is called, how fast, and what goes wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vonage_simulator.printable import safe_lines

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    from vonage_simulator.behaviour import Behaviour
    from vonage_simulator.carrier import Carrier
    from vonage_simulator.delivery.fault_plan import FaultPlan
    from vonage_simulator.ledger import Application
    from vonage_simulator.scenario import FarEnd, Scenario
    from vonage_simulator.trace import Watch
    from vonage_simulator.verify.server_api import Json

FORGERIES = ("tamper", "forget", "secret", "clock", "replay")  # faults that a server can only find by the signature
NEED_SECRETS = f"faults of signatures ({', '.join(FORGERIES)}) need VONAGE_SIGNATURE_SECRETS, here and at the server."


@dataclass(frozen=True, slots=True)
class Defaults:
    """What stands in for options that are not given. `flask simulate` puts its own into the context.

    Attributes:
        server: The Switchhook to call; None: the user has to name a server.
        token: An operator's token for its API.
        unauthorized: What to do where there is none.
        secret: API key and signature secret.
        application_id: Of the application that is called.
        folder: Where `serve` keeps its keys.
        not_there: What to do where no server answers.
        describe: A conversation, as the Switchhook's API has it, in lines for people.
    """

    server: str | None = None
    token: str | None = None
    unauthorized: str = "--server needs --token: the Switchhook's API is read with it."
    secret: tuple[str, str] | None = None
    application_id: str | None = None
    folder: Path = Path(click.get_app_dir("vonage-simulator"))
    not_there: str = "--server names another."
    describe: Callable[[Json], list[str]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Which server is called, and how."""

    application: Application
    server: str | None  # base URL of the Switchhook whose API is compared with what happened; None: no comparison
    token: str | None
    speed: float | None
    faults: FaultPlan
    seed: int
    has_secret: bool
    defaults: Defaults

    @property
    def forges(self) -> bool:
        """Whether there are faults that a server can only find by the signature."""
        return any(self.faults.shares.get(name) for name in FORGERIES)

    def carrier(
        self,
        watch: Watch | None = None,
        callees: Mapping[str, FarEnd] | None = None,
        behaviour: Behaviour | None = None,
    ) -> AbstractAsyncContextManager[Carrier]:
        """A carrier that runs as these options say."""
        from vonage_simulator.simulation import simulation

        return simulation(
            self.application,
            speed=self.speed,
            faults=self.faults,
            seed=self.seed,
            watch=watch,
            callees=callees,
            behaviour=behaviour,
        )


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """The type of an option: what *parse* returns for its text. The text of a ValueError is shown."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of a text; anything else is a default and stays."""
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(safe_lines(str(error)), param, ctx)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("begin it with http:// or https://")
    return text


def _keys(text: str) -> tuple[str, ...]:
    if not re.fullmatch(r"[0-9*#,]*", text):
        raise ValueError("0 to 9, * and #, with a comma between two inputs")
    return tuple(text.split(","))


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty: give a number or a name")
    return text


def _secret(text: str) -> tuple[str, str]:
    key, _, secret = text.partition(",")[0].partition(":")
    if not key or not secret:
        raise ValueError("give it as API_KEY:SECRET")
    return key, secret


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1000:
        raise ValueError("a number above 0, at most 1000, or the word max")
    return speed


def _faults(text: str) -> FaultPlan:
    from vonage_simulator.delivery.fault_plan import FaultPlan

    return FaultPlan.read(text)


def _scenario(text: str) -> Scenario:
    from vonage_simulator.scenarios import NoSuchScenario, find
    from vonage_simulator.yaml_source import Faults

    try:
        return find(text)
    except (NoSuchScenario, Faults) as error:
        raise ValueError(str(error)) from error


URL = Parsed("url", _url)
NAME = Parsed("number", _name)
SCENARIO = Parsed("name|file", _scenario)
KEYS = Parsed("keys", _keys)
SECRET = Parsed("key:secret", _secret)
SPEED = Parsed("factor", _speed)
FAULTS = Parsed("names", _faults)

digits_option = click.option(
    "--digits", type=KEYS, help="What the caller presses: 1,12# is 1 first, 12# at the next input."
)
says_option = click.option(
    "--says", metavar="WORDS", multiple=True, help="What the caller says; repeat it for each input that listens."
)
hang_up_option = click.option(
    "--hang-up-after", type=click.FloatRange(0), metavar="SECONDS", help="When the caller ends it."
)


def run_options(
    *, speed: str, speed_help: str, needs_server: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that say which server is called and how, and with them its `options`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--answer-url", type=URL, help="Your server's answer URL.")
        @click.option("--event-url", type=URL, help="Your server's event URL; default: no events.")
        @click.option("--fallback-url", type=URL, help="Requested if the answer URL fails.")
        @click.option("--answer-method", type=click.Choice(["GET", "POST"]), default="GET", show_default=True)
        @click.option("--event-method", type=click.Choice(["POST", "GET"]), default="POST", show_default=True)
        @click.option("--application-id", envvar="VONAGE_APPLICATION_ID", metavar="UUID", help="The claim in the JWTs.")
        @click.option(
            "--signature-secrets",
            "secret",
            type=SECRET,
            envvar="VONAGE_SIGNATURE_SECRETS",
            help="What signs the webhooks; of several, with commas between, the first.",
        )
        @click.option("--server", type=URL, help="A Switchhook: its webhooks, and its API to check.")
        @click.option("--token", envvar="SWITCHHOOK_TOKEN", metavar="TOKEN", help="For that API: an operator's.")
        @click.option("--speed", type=SPEED, default=speed, show_default=True, help=speed_help)
        @click.option("--faults", type=FAULTS, default="", help="What goes wrong on the way; `list` has them.")
        @click.option("--seed", default=0, show_default=True, help="The same seed gives the same faults.")
        @wraps(command)
        def run(
            server: str | None,
            secret: tuple[str, str] | None,
            token: str | None,
            application_id: str | None,
            speed: float | None,
            faults: FaultPlan,
            seed: int,
            **rest: Any,
        ) -> None:
            from vonage_simulator.simulation import application

            defaults = click.get_current_context().ensure_object(Defaults)
            urls = {f"{name}_url": rest.pop(f"{name}_url") for name in ("answer", "event", "fallback")}
            methods = {name: rest.pop(name) for name in ("answer_method", "event_method")}
            named = urls["answer_url"] or urls["event_url"]
            base = server or (None if named else defaults.server)
            if needs_server and not (base or named):
                raise click.UsageError("Name your server: --answer-url and --event-url, or --server for a Switchhook.")
            if base:
                base = base.rstrip("/")
                urls = {name: url or f"{base}/voice/{name.removesuffix('_url')}" for name, url in urls.items()}
            secret, application_id = secret or defaults.secret, application_id or defaults.application_id
            options = RunOptions(
                application=application(**urls, **methods, application_id=application_id, secret=secret),
                server=base,
                token=token or defaults.token,
                speed=speed,
                faults=faults,
                seed=seed,
                has_secret=secret is not None,
                defaults=defaults,
            )
            if methods["event_method"] == "GET" and faults.shares.get("tamper"):
                raise click.BadParameter(
                    "tamper needs --event-method POST: servers need not check the hash of a GET, for Vonage does not "
                    "document it fully. Name the faults without it.",
                    param_hint="--faults",
                )
            if options.forges and not options.has_secret:
                raise click.BadParameter(NEED_SECRETS, param_hint="--faults")
            command(options=options, **rest)

        return run

    return decorate
