"""The options of `flask flows show` and `try` that say who calls, when, and against which file."""

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
from vonage_simulator.cli.options import NAME, Parsed

CALLER: Final = "447700900123"  # Ofcom keeps it free for drama
# Of a caller's SIP headers these come with the answer webhook; the rest, and Vonage's own, do not.
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
PASSED_ON: Final = re.compile(r"user-to-user|x-(?!nexmo)[\w.!%*+`'~-]+", re.ASCII | re.IGNORECASE)


def moment(text: str) -> datetime:
    """The time in ISO 8601 *text*; UTC where it names no zone. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("give a time as in 2026-12-24T17:45 (UTC) or 2026-12-24T17:45+01:00") from None
    if not 1970 <= at.year <= 9000:  # near the ends of the calendar there is no day before, or none after
        raise ValueError("no call is from that time")
    return at


def _custom_data(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # no NaN, and no half of a surrogate pair
    except (ValueError, RecursionError) as wrong:
        words = f"{wrong.msg} at character {wrong.pos}" if isinstance(wrong, json.JSONDecodeError) else str(wrong)
        raise ValueError(f"""this is no JSON ({words}): give an object, as in '{{"order": "4711"}}'""") from None
    if not isinstance(value, dict):
        raise ValueError("""give a JSON object, as in '{"order": "4711"}': Vonage passes on no other""")  # noqa: TRY004
    return value


def _header(text: str) -> tuple[str, str]:
    name, sign, content = text.partition("=")
    if not name or not sign or not content.isprintable():
        raise ValueError("give it as in X-UserId=1938ND9")
    if not PASSED_ON.fullmatch(name):
        raise ValueError(
            f"Vonage passes on headers that begin with X- (but not with X-Nexmo), and User-to-User; not {name}"
        )
    return name, content


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, from what endpoint, and the data sent with the call."""

    name: str
    endpoint: Literal["phone", "sip", "app"]
    headers: Mapping[str, str]
    custom_data: dict[str, Any] | None


def who_calls(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* the options that say who calls (its `caller`), when, and against which file."""

    @click.option("--from", "from_", type=NAME, help=f"Who calls: a number or SIP address; else {CALLER}.")
    @click.option("--from-user", type=NAME, metavar="NAME", help="Who calls, if it is an app user.")
    @click.option(
        "--at", type=Parsed("time", moment), metavar="TIME", help="As if it were this time; UTC without a zone."
    )
    @click.option(
        "--file", type=click.Path(path_type=Path), metavar="FILE", help="The flows file; default: that of FLOWS_FILE."
    )
    @click.option(
        "--header",
        "headers",
        type=Parsed("header", _header),
        multiple=True,
        metavar="NAME=VALUE",
        help="A SIP header, as the caller sends it; may be given several times. The call comes by SIP then.",
    )
    @click.option(
        "--custom-data", type=Parsed("json", _custom_data), metavar="JSON", help="What the app user's page sends along."
    )
    @wraps(command)
    def run(
        *,
        from_: str | None,
        from_user: str | None,
        headers: tuple[tuple[str, str], ...],
        custom_data: dict[str, Any] | None,
        **rest: Any,
    ) -> None:
        command(caller=_caller(from_, from_user, dict(headers), custom_data), **rest)

    return run


def _caller(
    from_: str | None, from_user: str | None, headers: Mapping[str, str], custom_data: dict[str, Any] | None
) -> Caller:
    if from_ is not None and from_user is not None:
        raise click.UsageError("--from is a number, --from-user an app user: a call has one of them.")
    if headers and (from_user is not None or custom_data is not None):
        raise click.UsageError("--header is for a call by SIP; an app user has none, and sends --custom-data along.")
    if from_user is not None:
        return Caller(from_user, "app", {}, custom_data)
    if custom_data is not None:
        raise click.UsageError("--custom-data is what an app user's page sends along: name them with --from-user.")
    name = plain(from_ or CALLER)
    return Caller(name, "sip" if headers or name.lower().startswith(("sip:", "sips:")) else "phone", headers, None)


def plain(name: str) -> str:
    """A number without plus, blanks and the like; a name or an address as it is."""
    return digits(name) or name
