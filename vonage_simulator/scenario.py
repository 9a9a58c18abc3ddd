"""A scenario: who calls whom, what the far ends do, and what the Voice API does meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vonage_simulator.behaviour import LeftBehind

Endpoint = Literal["phone", "app", "sip", "websocket", "vbc"]
# waits: nothing by itself, see people.py
Does = Literal["answers", "machine", "busy", "rejects", "never_answers", "unreachable", "fails", "waits"]
Region = Literal["na-east", "na-west", "eu-west", "eu-east", "apac-sng", "apac-australia"]
Act = Literal[
    "hangup",
    "mute",
    "unmute",
    "earmuff",
    "unearmuff",
    "transfer",
    "talk",
    "stop_talk",
    "stream",
    "stop_stream",
    "dtmf",
    "record",
    "stop_record",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FarEnd:
    """What the far end of a leg does. Seconds are the carrier's."""

    does: Does = "answers"
    after: float = 2.0  # seconds it rings until then
    dialled_in: float = 0.0  # seconds from dialling until the leg starts
    keys: tuple[str, ...] = ()  # pressed, one text for each input that takes keys; "" and none left are silence
    says: tuple[str, ...] = ()  # said, one text for each input that takes speech; the same
    hangs_up_after: float | None = None  # seconds after the leg was answered (or began, if before); None: does not
    stays_alone: float = 2.0  # seconds it stays once it is alone and nothing is played to it
    detail: str | None = None  # Vonage's word with failed, rejected, unanswered; None: the usual one
    greeting: float = 4.0  # machine: seconds that its announcement takes
    beep: bool = True  # machine: whether there is one after it
    network: str | None = None  # None: what such an endpoint usually has
    rate: str | None = None  # EUR a minute, as it is written in `completed`; None: as usual
    billing_offset: float = 0.0  # seconds by which the times in the bill are off


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A Voice API command for a call that goes on."""

    at: float  # seconds after the call's leg was answered
    do: Act
    to: str = "call"  # the leg: the call's own, or the callee of this name
    options: Mapping[str, Any] = field(default_factory=dict)  # what the API takes, for example `ncco` with transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call to the application (inbound), or from it (outbound)."""

    from_: str
    to: str
    at: float = 0.0  # seconds after the scenario began
    direction: Literal["inbound", "outbound"] = "inbound"
    endpoint: Endpoint = "phone"  # what the far end is
    far_end: FarEnd = field(default_factory=FarEnd)
    headers: Mapping[str, str] = field(default_factory=dict)  # SIP headers, or those of a websocket
    custom_data: Mapping[str, Any] | None = None  # of an app user's call
    # What the call runs instead of the reply of the answer URL
    ncco: tuple[Mapping[str, Any], ...] | None = None
    ringing_timer: float = 60.0
    length_timer: float = 7200.0
    machine_detection: Literal["continue", "hangup"] | None = None
    advanced_machine_detection: Mapping[str, Any] | None = None
    control: tuple[Command, ...] = ()
    region: Region | None = None  # where it lives; None: the application's


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`callees` are the far ends that NCCO may ring, by number, user, extension or address."""

    name: str
    about: str
    calls: tuple[Call, ...]
    callees: Mapping[str, FarEnd] = field(default_factory=dict)  # "*" is anybody else
    stream_seconds: float = 5.0  # that any audio file lasts
    left_behind: LeftBehind | None = None  # see behaviour.py; None: as the carrier has it
    fields: Literal["today", "2021"] = "today"  # which fields the webhooks have: 2021 is the published log's

    def callee(self, name: str) -> FarEnd:
        """The far end when *name* is rung."""
        return self.callees.get(name) or self.callees.get("*") or FarEnd()
