"""Whom a simulated call is placed to, and how: the options that `flask simulate` commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from app.cli.client import address_of, token_of
from app.services import services

if TYPE_CHECKING:  # the simulator is imported where it is used: the server starts without it
    from vonage_simulator.delivery.fault_plan import FaultPlan
    from vonage_simulator.ledger import Application

FORGERIES = ("tamper", "forget", "secret", "clock", "replay")  # faults that a server finds by the signature
NEED_SECRETS = f"faults of signatures ({', '.join(FORGERIES)}) need VONAGE_SIGNATURE_SECRETS, here and at the server."


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom to call, and how."""

    application: Application
    base: str | None  # where the API is that tells of the calls; None: a server that has none
    token: str
    speed: float | None
    faults: FaultPlan
    seed: int
    has_secret: bool

    def is_at(self, url: str) -> bool:
        """Whether *url* is one of the server's whose API tells of the calls."""
        if self.base is None:
            return False
        try:
            (server, root), (asked, path) = _place(self.base), _place(url)
        except ValueError:
            return False
        return server == asked and path.startswith(f"{root.rstrip('/')}/")

    @property
    def forges(self) -> bool:
        """Whether it sends what the server can only find by the signature."""
        return any(self.faults.shares.get(name) for name in FORGERIES)


def _place(url: str) -> tuple[tuple[str, str | None, int | None], str]:
    """The server of *url*, localhost under its number, and the path there. Raises ValueError."""
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return (parts.scheme, host, parts.port or {"http": 80, "https": 443}.get(parts.scheme)), parts.path


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
            from vonage_simulator.delivery.fault_plan import FaultPlan
            from vonage_simulator.simulation import application

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
                wanted = FaultPlan.read(faults)
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
            if event_method == "GET" and wanted.shares.get("tamper"):
                raise click.BadParameter(
                    "tamper needs --event-method POST: of a GET servers need not look at the hash, for Vonage does not "
                    "document it whole. Name the faults without it.",
                    param_hint="--faults",
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
