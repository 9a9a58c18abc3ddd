"""The carrier: it places calls, runs what the application answers, and does what the Voice API is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.simulator.clock import Clock
from app.simulator.happenings import Watch
from app.simulator.ledger import Application, Leg, Ledger, Recording, Target
from app.simulator.scenario import Call, FarEnd, Scenario


class NoSuchLeg(Exception):
    """There is no such leg, or it is over."""


class NoSuchConversation(Exception):
    """There is no such conversation, or nobody is in it."""


class TooFast(Exception):
    """More new calls a second than the application may make."""


class TooEarly(Exception):
    """A leg cannot be hung up so soon after it was made."""


class Carrier:
    """One application's calls.

    Its methods run in the event loop of whoever made it; those that are no coroutines return at once, and what they set
    off goes on by itself. `files` has the recordings by the last part of their URL.
    """

    application: Application
    ledger: Ledger
    files: dict[str, Recording]

    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        post: Any,
        seed: int | None = None,
        files_url: str = "https://api.nexmo.com/v1/files",
        watch: Watch | None = None,
        callee: Callable[[str], FarEnd] | None = None,
    ) -> None:
        raise NotImplementedError

    def place(self, call: Call, scenario: Scenario) -> Leg:
        """Let *call* begin now. Its leg goes on by itself."""
        raise NotImplementedError

    def create(self, call: Call, *, answer: Target | None, event: Target | None, from_api: bool = True) -> Leg:
        """An outbound call by the Voice API; *answer*: where its NCCO is asked for. Raises TooFast."""
        raise NotImplementedError

    async def over(self) -> None:
        """Return once every call is over and everything about it was sent."""
        raise NotImplementedError

    # What the Voice API does. Each raises NoSuchLeg.
    def hang_up(self, uuid: str) -> None:
        """End the leg. Raises TooEarly within a second of a leg's making (help article 10359615124380)."""
        raise NotImplementedError

    def mute(self, uuid: str, on: bool) -> None:  # noqa: FBT001
        raise NotImplementedError

    def earmuff(self, uuid: str, on: bool) -> None:  # noqa: FBT001
        raise NotImplementedError

    def transfer(self, uuid: str, *, ncco: Sequence[Mapping[str, Any]] | None = None, url: Target | None = None) -> None:
        raise NotImplementedError

    def talk(self, uuid: str, text: str, *, loop: int = 1) -> None:
        raise NotImplementedError

    def stop_talk(self, uuid: str) -> None:
        raise NotImplementedError

    def stream(self, uuid: str, url: str, *, loop: int = 1) -> None:
        raise NotImplementedError

    def stop_stream(self, uuid: str) -> None:
        raise NotImplementedError

    def dtmf(self, uuid: str, digits: str) -> None:
        raise NotImplementedError

    def listen(self, uuid: str, target: Target) -> None:
        """Send each key that the leg presses to *target*, one input event each."""
        raise NotImplementedError

    def stop_listening(self, uuid: str) -> None:
        raise NotImplementedError

    def record(self, conversation: str, options: Mapping[str, Any]) -> None:
        """Record a conversation; options as the NCCO action's (`eventUrl`, `format`, …). Raises NoSuchConversation."""
        raise NotImplementedError

    def stop_record(self, conversation: str) -> None:
        raise NotImplementedError
