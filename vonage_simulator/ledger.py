"""What happened: every leg, conversation, input, recording and error, as the carrier knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from vonage_simulator.scenario import Endpoint, FarEnd, Region
from vonage_simulator.spans import Span, Spans

FAILURES = ("busy", "cancelled", "failed", "rejected", "timeout", "unanswered")

# How long Vonage waits for a reply: https://developer.vonage.com/en/application/technical-details#webhook-timeouts
ANSWER_SECONDS, EVENT_SECONDS = 5.0, 10.0  # an answer and the fallback URL; an event


@dataclass(frozen=True, slots=True)
class Target:
    """A URL of an application, and how it is requested. Time limits are real seconds."""

    url: str
    method: str = "POST"
    connect_timeout: float = 1.0
    socket_timeout: float = EVENT_SECONDS

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self | None:
        """The `eventUrl` and `eventMethod` of an action; None: its events go where the leg's do."""
        urls = options.get("eventUrl")
        return cls(urls[0], options.get("eventMethod", "POST")) if urls else None


@dataclass(slots=True, kw_only=True)
class Application:
    """A Vonage application with its account. A target of None is not set."""

    id: str
    name: str = "Switchhook simulator"
    api_key: str = "abcd1234"
    api_secret: str = "simulated-api-secret"  # noqa: S105 - opens nothing
    signature_secret: str = ""
    signed_callbacks: bool = True
    answer: Target | None = None
    event: Target | None = None
    fallback: Target | None = None
    public_key: str = ""  # PEM; verifies its JWTs
    numbers: tuple[str, ...] = ("442038297050",)
    calls_per_second: float | None = 3.0  # help article 207100288; None: no limit
    region: Region = "eu-west"
    region_urls: Mapping[Region, str] = field(default_factory=dict)  # in `region_url`, by region; else Vonage's own


@dataclass(frozen=True, slots=True)
class Bill:
    """The price of a leg that is over. Times are whole seconds; a leg that was never answered has none."""

    start_time: datetime | None
    end_time: datetime | None
    duration: int
    rate: str
    price: str
    network: str | None


@dataclass(frozen=True, slots=True)
class Move:
    """A leg moved from one conversation to another."""

    at: datetime
    left: str
    joined: str


PlayedKind = Literal["talk", "stream"]


@dataclass(frozen=True, slots=True)
class Played:
    """A text that is spoken to a leg, or the URL of an audio file; *endless*: in a loop without an end."""

    kind: PlayedKind
    what: str
    endless: bool
    by: Literal["script", "api"]


@dataclass(frozen=True, slots=True)
class Ending:
    """Who ended a leg (as in `disconnected_by`), and why, in words."""

    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears a member of a room, and whom it hears; None is everybody. *music*: it hears some until the start."""

    speaks_to: frozenset[str] | None = None
    hears: frozenset[str] | None = None
    music: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Leg:
    """One connection. `times` has the timestamp of each status webhook.

    `stays` are the conversations that it was in, by id; `mutes`, `earmuffs` and `played`: when it was so.
    """

    uuid: str
    direction: Literal["inbound", "outbound"]
    endpoint: Endpoint
    from_: str | None
    to: str
    from_user: str | None = None  # an app caller's name; `to` is that too then, as in Vonage's logs
    dialled: str = ""  # the number or user that an app caller called
    custom_data: dict[str, Any] = field(default_factory=dict)  # from an app caller
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
    stays: Spans[str] = field(default_factory=Spans)
    mutes: Spans[None] = field(default_factory=Spans)
    earmuffs: Spans[None] = field(default_factory=Spans)
    played: Spans[Played] = field(default_factory=Spans)
    ending: Ending | None = None
    voice: Voice = Voice()  # in the conversation that it is in, or was last

    @property
    def answered(self) -> bool:
        return "answered" in self.times

    @property
    def over(self) -> bool:
        """Whether it has ended. After a failure `completed` may still come."""
        return "completed" in self.times or self.failure is not None

    @property
    def region(self) -> Region:
        """Where it lives."""
        return self.conversation.region

    @property
    def caller(self) -> str | None:
        return self.from_user or self.from_

    def hears(self, speaker: Leg) -> bool:
        """Whether it hears what *speaker* says now."""
        if self is speaker or speaker.conversation is not self.conversation:
            return False
        if not (self.answered and speaker.answered) or self.over or speaker.over:
            return False
        if speaker.muted or self.earmuffed:
            return False
        room = self.conversation.room
        if room is None:
            return True
        if not room.started:  # everybody waits, and hears music
            return False
        spoken_to, heard = speaker.voice.speaks_to, self.voice.hears
        return (spoken_to is None or self.uuid in spoken_to) and (heard is None or speaker.uuid in heard)

    @property
    def status(self) -> str:
        """The status in the Voice API."""
        if self.failure:
            return self.failure
        return next((status for status in ("completed", "answered", "ringing") if status in self.times), "started")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputResult:
    """The result of an `input`; None for what it did not ask for."""

    at: datetime
    leg: str
    digits: str | None
    timed_out: bool
    speech: tuple[tuple[str, str], ...]  # (text, confidence)
    timeout_reason: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RunningRecording:
    """A recording that has not ended. `speech` has what was said and when it began."""

    started: datetime
    options: Mapping[str, Any]
    leg: Leg  # for which it was started
    span: Span[str | None]  # of the conversation's `recorded`
    speech: list[tuple[datetime, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Recording:
    """A recording that is ready. `audio` is the file; a transcript follows later, if one was ordered."""

    recording_uuid: str
    url: str
    at: datetime
    started: datetime
    ended: datetime
    format: Literal["mp3", "wav", "ogg"]
    audio: bytes
    transcription_url: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error event that was sent to the application."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply of the application.

    `about` is the event that it replied to; None: it replied to an answer webhook. `ncco` None: there was nothing that
    can be run or, in reply to an event, no NCCO, and the script went on.
    """

    leg: str
    url: str
    ncco: list[dict[str, Any]] | None
    about: dict[str, Any] | None = None


@dataclass(slots=True)
class Room:
    """What the `conversation` and `transfer` actions set for a conversation, until everybody has left."""

    started: bool = False
    moderators: set[str] = field(default_factory=set)  # legs; when one leaves the conversation ends
    record: Mapping[str, Any] | None = None  # the action that has it recorded once it starts
    recording: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Conversation:
    """Legs that hear each other; `legs` are all that were ever in it, `present` those that are in it now.

    `recorded`: when it was recorded, each with the URL of its file once that is ready.
    """

    uuid: str
    region: Region = "eu-west"
    name: str | None = None
    legs: dict[str, Leg] = field(default_factory=dict)
    present: dict[str, Leg] = field(default_factory=dict)
    inputs: list[InputResult] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    errors: list[ErrorEvent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    room: Room | None = None
    recording: RunningRecording | None = None
    recorded: Spans[str | None] = field(default_factory=Spans)


@dataclass(slots=True, kw_only=True)
class ApiRequest:
    """A request to the Voice API.

    Attributes:
        verb: What it wanted: `create`, `hangup`, `transfer`, `record`, …
        about: The uuid of the leg or conversation in its URL.
        status: Of the response; None: none was sent, or none yet.
        fault: Of `voice_api.faults`, if it had one on purpose.
    """

    at: datetime
    verb: str
    about: str | None
    status: int | None = None
    fault: str | None = None


@dataclass(slots=True)
class Ledger:
    """All legs and conversations by id; named ones also by region and name. Requests of the Voice API in order."""

    legs: dict[str, Leg] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    by_name: dict[tuple[Region, str], Conversation] = field(default_factory=dict)
    requests: list[ApiRequest] = field(default_factory=list)

    @property
    def throttled(self) -> int:
        """How many requests were refused with 429."""
        return sum(request.status == 429 for request in self.requests)
