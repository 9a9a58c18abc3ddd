"""The call flow of Vonage's in-app voice tutorials: a greeting, then the call is put through.

A telephone reaches the app user APP_USER; an app user reaches the number, or the other app user, it asked for.
https://developer.vonage.com/en/vonage-client-sdk/tutorials (phone to app, app to phone, app to app)
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from vonage_voice.models.connect_endpoints import AppEndpoint, PhoneEndpoint
from vonage_voice.models.ncco import Connect, NccoAction, Talk

from app.domain.events import Answer
from app.domain.numbers import digits

GREETING = "Please hold the line while we connect your call."
SORRY = "Sorry, we cannot take your call at the moment. Please call again later."


class Served(NamedTuple):
    """An NCCO, ready for JSON, and the name of the call flow it comes from."""

    flow: str
    ncco: list[dict[str, Any]]


# What a caller hears if everything else fails. Made at start, so that nothing can go wrong with it later.
LAST_RESORT = Served("last-resort", [{"action": "talk", "text": SORRY}])


class Flows:
    """The call flows of this server. *app_user* and *caller_number* are APP_USER and CALLER_NUMBER."""

    def __init__(self, *, app_user: str, caller_number: str | None) -> None:
        self._app_user = app_user
        self._caller_number = caller_number

    def answer(self, asked: Answer) -> Served:
        """What to do with a call. Raises ValueError if it asks for what no NCCO can do."""
        if asked.from_user is None:
            endpoint: PhoneEndpoint | AppEndpoint = AppEndpoint(user=self._app_user)
        elif number := digits(asked.to):
            endpoint = PhoneEndpoint(number=number)
        elif asked.to:
            endpoint = AppEndpoint(user=asked.to)
        else:
            raise ValueError("an app user called nobody: `to` is missing")
        shown = self._caller_number
        if asked.from_user is None:  # the app user sees who calls, as in the tutorial
            shown = _e164(asked.from_) or shown or _e164(asked.to)
        # A telephone would have to be called from a number of ours, and the SDK insists on one towards app users too:
        # https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
        caller = (
            Connect(endpoint=[endpoint], from_=shown) if shown else Connect(endpoint=[endpoint], randomFromNumber=True)
        )
        return Served("tutorial", [_plain(action) for action in (Talk(text=GREETING), caller)])


def _e164(text: str | None) -> str | None:
    number = digits(text)
    return number if number and re.fullmatch(r"[1-9]\d{6,14}", number) else None


def _plain(action: NccoAction) -> dict[str, Any]:
    plain: dict[str, Any] = action.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"action": plain.pop("action"), **plain}
