"""Who calls, in the words of `flask flows show` and `try`: as whom, with what, when, and against which file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Final, Literal

import click

from app.domain.numbers import digits
from app.terminal import safe

CALLER: Final = "447700900123"  # Ofcom keeps it free for drama
# Of a caller's SIP headers these come with the answer webhook; the rest, and Vonage's own, do not.
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
HANDED_ON: Final = re.compile(r"user-to-user|x-(?!nexmo)[\w.!%*+`'~-]+", re.ASCII | re.IGNORECASE)
AGAINST: Final = "default: the one at FLOWS_FILE"


class Moment(click.ParamType):
    """A time as in ISO 8601; UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that *value* is."""
        try:
            return value if isinstance(value, datetime) else moment(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


def moment(text: str) -> datetime:
    """The time that *text* is, as in ISO 8601; UTC where it names no zone. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("give a time as in 2026-12-24T17:45 (UTC) or 2026-12-24T17:45+01:00") from None
    if not 1970 <= at.year <= 9000:  # near the ends of the calendar there is no day before, or none after
        raise ValueError("no call is from that time")
    return at


class CustomData(click.ParamType):
    """A JSON object."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The object that *value* is."""
        try:
            told = json.loads(value)
            json.dumps(told, allow_nan=False, ensure_ascii=False).encode()  # no NaN, and no half a character
        except (ValueError, RecursionError) as wrong:
            words = f"{wrong.msg} at character {wrong.pos}" if isinstance(wrong, json.JSONDecodeError) else str(wrong)
            self.fail(f"""this is no JSON ({safe(words)}): give an object, as in '{{"order": "4711"}}'""", param, ctx)
        if not isinstance(told, dict):
            self.fail("""give a JSON object, as in '{"order": "4711"}': Vonage hands on no other""", param, ctx)
        return told


class Header(click.ParamType):
    """A SIP header: name and value."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The two parts of *value*."""
        name, sign, content = value.partition("=")
        if not name or not sign or not content.isprintable():
            self.fail("give it as in X-UserId=1938ND9", param, ctx)
        if not HANDED_ON.fullmatch(name):
            words = "Vonage hands on headers that begin with X- (but not with X-Nexmo), and User-to-User; not"
            self.fail(safe(f"{words} {name}"), param, ctx)
        return name, content


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, what with, and what they send along."""

    name: str
    endpoint: Literal["phone", "sip", "app"]
    headers: Mapping[str, str]
    custom_data: dict[str, Any] | None


def who_calls(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options that say who calls (its `caller`), when, and against which file."""

    @wraps(command)
    def called(
        *,
        from_: str | None,
        from_user: str | None,
        headers: tuple[tuple[str, str], ...],
        custom_data: dict[str, Any] | None,
        **rest: Any,
    ) -> None:
        command(caller=_caller(from_, from_user, dict(headers), custom_data), **rest)

    for option in (
        click.option("--custom-data", type=CustomData(), metavar="JSON", help="What the app user's page sends along."),
        click.option(
            "--header",
            "headers",
            type=Header(),
            multiple=True,
            metavar="NAME=VALUE",
            help="A SIP header, as the caller sends it; may be given several times. The call comes by SIP then.",
        ),
        click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help=f"The flows file; {AGAINST}."),
        click.option("--at", type=Moment(), metavar="TIME", help="As if it were this time; without a zone it is UTC."),
        click.option("--from-user", metavar="NAME", help="Who calls, where it is an app user."),
        click.option("--from", "from_", metavar="NUMBER", help=f"Who calls: a number or SIP address; else {CALLER}."),
    ):
        called = option(called)
    return called


def _caller(
    from_: str | None, from_user: str | None, headers: Mapping[str, str], custom_data: dict[str, Any] | None
) -> Caller:
    if from_ is not None and from_user is not None:
        raise click.UsageError("--from is a number, --from-user an app user: a call has one of them.")
    if headers and (from_user is not None or custom_data is not None):
        raise click.UsageError("--header is of a call by SIP; an app user has none, and sends --custom-data along.")
    if from_user is not None:
        return Caller(party(from_user, "--from-user", is_name=True), "app", {}, custom_data)
    if custom_data is not None:
        raise click.UsageError("--custom-data is what an app user's page sends along: name them with --from-user.")
    name = party(CALLER if from_ is None else from_, "--from")
    return Caller(name, "sip" if headers or name.lower().startswith(("sip:", "sips:")) else "phone", headers, None)


def party(text: str, option: str, *, is_name: bool = False) -> str:
    """Who is meant by *text*, which *option* gave; *is_name*: as it is. Raises BadParameter if it is empty."""
    if not text.strip():
        raise click.BadParameter("nobody is called nothing", param_hint=option)
    return text if is_name else plain(text)


def plain(name: str) -> str:
    """A number without plus, blanks and the like; a name or an address as it is."""
    return digits(name) or name
