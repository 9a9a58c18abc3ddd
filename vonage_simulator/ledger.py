"""What truly happened: every leg, conversation, input, recording and error, as the carrier knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from vonage_simulator.scenario import Endpoint, FarEnd

FAILURES = ("busy", "cancelled", "failed", "rejected", "timeout", "unanswered")


# How long Vonage waits for a reply: application/technical-details#webhook-timeouts
ANSWER_SECONDS, EVENT_SECONDS = 5.0, 10.0  # an answer and the fallback URL; an event


@dataclass(frozen=True, slots=True)
class Target:
    """A URL of an application and how it is asked. Time limits are real seconds.

    https://developer.vonage.com/en/application/technical-details#webhook-timeouts
    """

    url: str
    method: str = "POST"
    connect_timeout: float = 1.0
    socket_timeout: float = EVENT_SECONDS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self | None:
        """Where an action's own events go, as its `eventUrl` and `eventMethod` say; None: where the leg's do."""
        urls = options.get("eventUrl")
        return cls(urls[0], options.get("eventMethod", "POST")) if urls else None


@dataclass(slots=True, kw_only=True)
class Application:
    """A Vonage application with the account it belongs to. `None` as a target: none is set."""

    id: str
    name: str = "Switchhook simulator"
    api_key: str = "abcd1234"
    api_secret: str = "simulated-api-secret"  # noqa: S105 - opens nothing
    signature_secret: str = ""
    signed_callbacks: bool = True
    answer: Target | None = None
    event: Target | None = None
    fallback: Target | None = None
    public_key: str = ""  # PEM; what its JWTs are checked with
    numbers: tuple[str, ...] = ("442038297050",)
    calls_per_second: float | None = 3.0  # help article 207100288; None: no limit
    region: str = "eu-west"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a leg that is over cost. Times are whole seconds; a leg never answered has none."""

    start_time: datetime | None
    end_time: datetime | None
    duration: int
    rate: str
    price: str
    network: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """A leg went from one conversation to another."""

    at: datetime
    left: str
    joined: str


@dataclass(slots=True, kw_only=True, eq=False)
class Leg:
    """One connection. `times` has each status, with the time that its webhook tells."""

    uuid: str
    direction: Literal["inbound", "outbound"]
    endpoint: Endpoint
    from_: str | None
    to: str
    from_user: str | None = None  # an app caller's name; then `to` is that too, as Vonage's logs have it
    dialled: str = ""  # whom an app caller asked for
    custom_data: dict[str, Any] = field(default_factory=dict)  # what an app caller passed
    far_end: FarEnd
    conversation: Conversation
    events: Target | None  # where its webhooks go
    headers: dict[str, str] = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)
    failure: str | None = None
    detail: str | None = None
    sip_code: int | None = None
    machine: str | None = None  # human, machine, beep_start or beep_timeout
    disconnected_by: str | None = None
    bill: Bill | None = None
    moves: list[Move] = field(default_factory=list)
    muted: bool = False
    earmuffed: bool = False

    @property
    def answered(self) -> bool:
        """Whether it was ever picked up."""
        return "answered" in self.times

    @property
    def over(self) -> bool:
        """Whether it has ended. After a failure `completed` may still come."""
        return "completed" in self.times or self.failure is not None

    @property
    def caller(self) -> str | None:
        """Who calls, as a person would say it."""
        return self.from_user or self.from_

    @property
    def status(self) -> str:
        """The word the Voice API has for how it stands."""
        if self.failure:
            return self.failure
        return next((one for one in ("completed", "answered", "ringing") if one in self.times), "started")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputResult:
    """What came of an input; None for what was not asked for."""

    at: datetime
    leg: str
    digits: str | None
    timed_out: bool
    speech: tuple[tuple[str, str], ...]  # (text, confidence)
    timeout_reason: str | None
    error: str | None


@dataclass(slots=True, kw_only=True)
class Recording:
    """A recording that is ready. `audio` is the file itself; the text of it comes later, if it was asked for."""

    recording_uuid: str
    url: str
    at: datetime
    started: datetime
    ended: datetime
    format: Literal["mp3", "wav", "ogg"]
    audio: bytes
    transcription_url: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """An error the application was told of."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The application was asked what to do, and said this.

    `about` is the event that this was the reply to; None: it was asked by an answer webhook. `ncco` None: nothing that
    could be run or, in reply to an event, none at all, and the script went on.
    """

    leg: str
    url: str
    ncco: list[dict[str, Any]] | None
    about: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Conversation:
    """Legs that hear each other; `legs` are all that were ever in it, `present` those that are."""

    uuid: str
    name: str | None = None
    legs: dict[str, Leg] = field(default_factory=dict)
    present: dict[str, Leg] = field(default_factory=dict)
    inputs: list[InputResult] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """All of it, by id."""

    legs: dict[str, Leg] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
