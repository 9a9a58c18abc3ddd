"""Names, beside telephone numbers, that a conversation can be found by: users of the application, and recordings."""

from __future__ import annotations

import json
from typing import Any, Final

from app.domain.actions import Action
from app.domain.events import Answer, CallStatus, Event, Recording
from app.domain.numbers import digits

LONGEST: Final = 200  # characters of a name that is indexed
CALLS: Final = (
    "calls"  # the argument, shown with the action that calls a user's own leg, which says whom the user calls
)


def user_mark(user: str) -> str:
    """The mark of the conversations of *user*."""
    return f"u{user}"


def recording_mark(recording_uuid: str) -> str:
    """The mark of the conversation of a recording."""
    return f"r{recording_uuid}"


def marks_in(event: Event) -> list[str]:
    """What the conversations of *event* can be found by through it."""
    found = [user_mark(user) for user in users_in(event)]
    if isinstance(event, Recording) and event.recording_uuid:
        found.append(recording_mark(event.recording_uuid))
    return [mark for mark in found if len(mark) <= LONGEST]


def users_in(event: Event) -> list[str]:
    """The users of the application that *event* names.

    They call (`from_user` of an answer webhook), are called in the NCCO served or by an action, a leg goes to them, or
    a message was left for them.
    Of what a leg may go to, a user alone is a bare name: the others are numbers, extensions and addresses.
    https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
    """
    if isinstance(event, Answer):
        return list(dict.fromkeys([*([event.from_user] if event.from_user else []), *called_users(event.connects)]))
    if isinstance(event, Action) and (user := created_for(event)):
        return [user]
    if isinstance(event, CallStatus) and event.to and is_bare_name(event.to):
        return [event.to]
    if isinstance(event, Recording) and event.voicemail:
        return [event.voicemail.user]
    return []


def created_for(action: Action) -> str | None:
    """The user whom *action* places a call to, if it does."""
    to = action.argument.get("to") if action.verb == "create" else None
    endpoint = to[0] if isinstance(to, list) and to and isinstance(to[0], dict) else {}
    user = endpoint.get("user") if endpoint.get("type") == "app" else None
    return user if isinstance(user, str) and user else None


def calls_by(action: Action) -> str | None:
    """Whom the user calls whose own leg *action* calls first: a number, a user or an address; None: nobody."""
    calls = action.argument.get(CALLS) if action.verb == "create" else None
    return calls if isinstance(calls, str) and calls else None


def is_bare_name(party: str) -> bool:
    """Whether a `to` is neither a number nor an address."""
    return ":" not in party and "@" not in party and digits(party) is None


def called_users(ncco: str | None) -> list[str]:
    """The users at the `app` endpoints of the `connect` actions in the JSON text *ncco*."""
    if not ncco or '"app"' not in ncco:
        return []
    actions: Any = json.loads(ncco)
    found = (
        endpoint.get("user")
        for action in (actions if isinstance(actions, list) else ())
        if isinstance(action, dict) and isinstance(action.get("endpoint"), list)
        for endpoint in action["endpoint"]
        if isinstance(endpoint, dict) and endpoint.get("type") == "app"
    )
    return [user for user in found if isinstance(user, str) and user]
