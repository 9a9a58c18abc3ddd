"""What a call flow gets: who calls whom, which step is requested, and the result of the step before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

Kind = Literal["input", "notify", "connect", "detection"]
START = "start"  # the first step of a flow written in Python, or of one without names of steps


def _no_url(_: str) -> NoReturn:
    raise LookupError("there is no server here, so that nothing has an address")


class Headers(dict[str, str]):
    """SIP headers, by their names in any case: RFC 3261, section 7.3.1. They keep the case in which they came."""

    def __contains__(self, name: object) -> bool:
        return self._own(name) is not None

    def __getitem__(self, name: str) -> str:
        own = self._own(name)
        return super().__getitem__(name if own is None else own)

    def get(self, name: str, default: Any = None) -> Any:
        """The header of that name, or *default*."""
        own = self._own(name)
        return default if own is None else super().__getitem__(own)

    def _own(self, name: object) -> str | None:
        if super().__contains__(name):
            return str(name)
        wanted = str(name).lower()
        return next((own for own in self if own.lower() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of an action. `kind` says of which; what that kind does not have is None.

    Attributes:
        digits: Keys that were pressed, "" for none (input).
        timed_out: Whether time ran out before all keys were pressed (input).
        speech: What was said, most likely, "" for none (input).
        confidence: How sure Vonage is of `speech`, 0 to 1 (input).
        guesses: What else may have been said, the likeliest first (input).
        status: How it went: busy, timeout, unanswered, rejected, failed, … (connect), human, machine, beep_start or
            beep_timeout (detection).
        sub_state: What Vonage says beside the status, known here or not (detection).
        payload: That of the action (notify).
    """

    kind: Kind
    digits: str | None = None
    timed_out: bool | None = None
    speech: str | None = None
    confidence: float | None = None
    guesses: tuple[str, ...] = ()
    status: str | None = None
    sub_state: str | None = None
    payload: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request by Vonage for a step, in its own words; None, or empty, for what it did not send.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook

    Attributes:
        from_: Who calls: a number, or a SIP address. None if an app user calls.
        from_user: The app user who calls.
        to: Who was called.
        region_url: The address at which the call is controlled by Vonage's API: "https://api-us-3.vonage.com".
        headers: SIP headers, by their names, in capitals or not: {"X-UserId": "1938ND9"}.
        custom_data: What an app user's page sent.
        step: The step that is requested.
        attempt: How often this call has entered that step, this time included.
        inputs: The result of each step that had an `input`, by its name.
        result: That of the step before; None at the beginning.
    """

    from_: str | None = None
    to: str | None = None
    from_user: str | None = None
    uuid: str | None = None
    conversation_uuid: str | None = None
    endpoint_type: str | None = None
    region_url: str | None = None
    custom_data: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=Headers)
    step: str = START
    attempt: int = 1
    inputs: Mapping[str, Result] = field(default_factory=dict)
    result: Result | None = None
    url: Callable[[str], str] = _no_url  # step -> its URL: the `eventUrl` of an action
    voicemail: Callable[[str], str] = _no_url  # user -> the `eventUrl` of a `record` that is a message for them
