"""A user of the application: settings, and what their page reports of the phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """What operators set for a user.

    `record_permissions` as Yeastar counts them: 0 none, 1 pause and resume, 2 start as well.
    """

    display_name: str | None = None
    max_calls: int = 2
    auto_answer: bool = False
    do_not_disturb: bool = False
    record_permissions: int = 0


DEFAULTS = UserSettings()

# Whether a user takes another call; unknown: the store did not say in time, and the call is put through.
Availability = Literal["free", "busy", "do_not_disturb", "unknown"]


class Registration(NamedTuple):
    """What the user's page said last of its connection to Vonage: that it holds until `expires`, or has ended.

    `attempts`: how often the page has tried to connect again.
    """

    registered: bool
    expires: datetime | None
    attempts: int


NOT_REGISTERED = Registration(registered=False, expires=None, attempts=0)


class Chosen(NamedTuple):
    """The session that the user chose as the current one, and when."""

    session: str
    at: datetime
