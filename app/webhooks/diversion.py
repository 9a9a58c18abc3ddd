"""Calls to users who take no other call: the flow goes on as if Vonage had reported that the user is busy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from app.domain.ringing import user_rung
from app.domain.users import Availability
from app.flows.flows import Flows
from app.flows.model import RenderFault
from app.flows.rendering import step_at
from app.flows.reply import Reply
from app.flows.request import Request, Result

BUSY: Final = Result(kind="connect", status="busy")
SENTENCE: Final = {"action": "talk", "text": "The person you are calling is busy. Please call again later."}
MOST_DIVERSIONS: Final = 20  # of one answer: a ring group in which everybody is busy


def diverted(
    reply: Reply, request: Request, at: datetime, flows: Flows, availability: Callable[[str, str], Availability]
) -> Reply:
    """*reply*, in which no user is rung who takes no other call.

    In place of the `connect` the busy branch of its step follows; without one, the actions after it, or, if there are
    none, a sentence. *availability*: of a user, for the call with this first leg.
    """
    for _ in range(MOST_DIVERSIONS):
        found = next(
            ((index, user) for index, action in enumerate(reply.ncco) if (user := user_of_action(action))), None
        )
        if found is None:
            return reply
        index, user = found
        place = step_of_action(reply.ncco[index])
        caller = request.uuid
        if place is not None:
            try:
                caller = flows.caller_of(place[2]) or caller
            except RenderFault:
                place = None
        if caller is None or availability(user, caller) in ("free", "unknown"):
            return reply
        before, after = reply.ncco[:index], reply.ncco[index + 1 :]
        instead = flows.follow(*place, request, BUSY, at) if place else None
        if instead is not None:
            reply = replace(instead, ncco=[*before, *instead.ncco])
        else:
            reply = replace(reply, ncco=[*before, *(after or [SENTENCE])])
    return replace(reply, ncco=[SENTENCE])


def user_of_action(action: dict[str, Any]) -> str | None:
    """The user whom *action* rings, if it does."""
    return user_rung(action) if action.get("action") == "connect" else None


def step_of_action(action: dict[str, Any]) -> tuple[str, str, str] | None:
    """Flow, step and state where the result of *action* goes, if that is a step of ours."""
    urls = action.get("eventUrl")
    first = urls[0] if isinstance(urls, list) and urls else None
    return step_at(first) if isinstance(first, str) else None
