"""What is wrong with an action, as a response."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.control.errors import (
    BadNcco,
    CannotMeet,
    ControlError,
    InOperation,
    KeyRefused,
    LegEnded,
    MovePending,
    NotConfigured,
    NoVonage,
    UnknownConversation,
    UnknownLeg,
    UnknownOperation,
    UserRefused,
    WrongState,
)
from app.errors import Problem

TITLES: Final[dict[type[ControlError], tuple[int, str]]] = {
    NotConfigured: (503, "Not configured"),
    KeyRefused: (502, "Vonage refuses the key"),
    UserRefused: (422, "User refused by Vonage"),
    NoVonage: (502, "No response from Vonage"),
    UnknownLeg: (404, "Unknown leg"),
    UnknownConversation: (404, "Unknown conversation"),
    UnknownOperation: (404, "Unknown transfer or conference"),
    LegEnded: (409, "Leg ended"),
    MovePending: (409, "Being moved already"),
    InOperation: (409, "Part of a transfer or conference"),
    WrongState: (409, "Not in a state for it"),
    BadNcco: (422, "NCCO refused"),
}
# By Wazo's error ids, with its statuses: https://wazo-platform.org/uc-doc/api_sdk/rest_api/calld/adhoc_conference
MEETING: Final = {
    "invalid-data": 422,  # of this API, any wrong argument is
    "host-already-in-conference": 409,
    "participant-already-in-conference": 409,
}


@contextmanager
def as_problems() -> Iterator[None]:
    """Let a ControlError become a Problem."""
    try:
        yield
    except ControlError as error:
        raise _problem(error) from error


def _problem(error: ControlError) -> Problem:
    if isinstance(error, CannotMeet):
        status = MEETING.get(error.fault.error_id, 404)
        return Problem(
            status, "Conference not possible", str(error), error_id=error.fault.error_id, leg=error.fault.leg
        )
    if isinstance(error, NoVonage) and error.busy:
        return Problem(503, "Too many requests to Vonage", str(error), {"Retry-After": "1"})
    status, title = TITLES[type(error)]
    more: dict[str, Any] = {}
    if isinstance(error, NotConfigured):
        more["settings"] = list(error.settings)
    if isinstance(error, MovePending):
        more["action_id"] = error.action
    if isinstance(error, InOperation):
        more["operation_id"] = error.operation
    return Problem(status, title, str(error), **more)
