"""Calls of users, and to them, beyond their limit: the flow goes on as if Vonage had reported that somebody is busy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.domain.ringing import user_rung
from app.domain.users import Availability
from app.flows.flows import Flows
from app.flows.model import RenderFault
from app.flows.rendering import STATE, step_at
from app.flows.reply import Reply
from app.flows.request import Request, Result

BUSY: Final = Result(kind="connect", status="busy")
SENTENCE: Final = {"action": "talk", "text": "The person you are calling is busy. Please call again later."}
NO_OTHER_CALL: Final = {"action": "talk", "text": "You have no room for another call. Please end one first."}
MOST_DIVERSIONS: Final = 20  # of one answer: a ring group in which everybody is busy
GOES_OUT: Final = ("connect", "conversation")  # to somebody, or to a room

IsFree = Callable[[str, str], Availability]  # a user, and the first leg of the call


class Caller(NamedTuple):
    """Who the reply is for: the first leg of the call and, if a user makes it, which."""

    leg: str | None
    user: str | None


@dataclass
class _Users:
    """The users of one answer, by what was found of them."""

    diverted: dict[str, None] = field(default_factory=dict)  # in order
    unclaimed: dict[str, None] = field(default_factory=dict)

    def takes(self, user: str, call: str, is_free: IsFree) -> bool:
        """Whether *user* takes *call*. A store that was silent once is not waited for again."""
        found = "unknown" if self.unclaimed else is_free(user, call)
        if found == "unknown":
            self.unclaimed[user] = None
        elif found != "free":
            self.diverted[user] = None
        return found in ("free", "unknown")

    def may_call(self, user: str, call: str, is_free: IsFree, *, goes_out: bool) -> bool:
        """Whether *user* may make *call*: always, if it does not go out to anybody."""
        found = is_free(user, call)
        if found == "unknown":
            self.unclaimed[user] = None
        elif found != "free" and goes_out:
            self.diverted[user] = None
        return user not in self.diverted


def diverted(
    reply: Reply,
    request: Request,
    at: datetime,
    flows: Flows,
    availability: IsFree,
    *,
    may_call: IsFree | None = None,
    caller: Caller | None = None,
) -> Reply:
    """*reply*, in which no user is rung who takes no other call, and none calls who may make no other.

    In place of the `connect` the busy branch of its step follows. Without one, whoever calls a user hears the actions
    after it or, if there are none, a sentence; a user who calls hears a sentence. The reply says of which users it is
    so, and of which that was not known in time. *availability*: of a user, for the call with this first leg;
    *may_call*: of the user who makes it. *caller*: whose call it is, if it is not the leg that *request* names.
    """
    caller, users, is_refused = caller or Caller(request.uuid, request.from_user), _Users(), False
    if caller.leg and caller.user and may_call:  # also if it goes to nobody, it is one of the calls of the user
        goes_out = any(_asks(action, every=True) for action in reply.ncco)
        is_refused = not users.may_call(caller.user, caller.leg, may_call, goes_out=goes_out)
    reply = _without_busy(reply, request, at, flows, availability, caller, users, is_refused=is_refused)
    return replace(reply, diverted=tuple(users.diverted), unclaimed=tuple(users.unclaimed))


def _without_busy(
    reply: Reply,
    request: Request,
    at: datetime,
    flows: Flows,
    availability: IsFree,
    caller: Caller,
    users: _Users,
    *,
    is_refused: bool,
) -> Reply:
    sentence = NO_OTHER_CALL if is_refused else SENTENCE
    for _ in range(MOST_DIVERSIONS):
        index = next((index for index, action in enumerate(reply.ncco) if _asks(action, every=is_refused)), None)
        if index is None:
            return reply
        action = reply.ncco[index]
        place, user, call = step_of_action(action), user_of_action(action), caller.leg
        if place is not None:
            try:
                call = flows.caller_of(place[2]) or call
            except RenderFault:
                place = None
        if not is_refused and (call is None or user is None or users.takes(user, call, availability)):
            return reply
        before, after = reply.ncco[:index], reply.ncco[index + 1 :]
        instead = flows.follow(*place, request, BUSY, at) if place else None
        if instead is not None:
            reply = replace(instead, ncco=[*before, *instead.ncco])
        else:
            reply = replace(reply, ncco=[*before, *((not is_refused and after) or [sentence])])
    return replace(reply, ncco=[sentence])


def caller_by(request: Request, flows: Flows, state: str | None) -> Caller:
    """By the *state* of a step, for the webhook of a `connect` that failed names the leg of whom it called."""
    if state is not None:
        try:
            return Caller(*flows.parties_of(state))
        except RenderFault:  # then the reply is the last resort
            pass
    return Caller(request.uuid, request.from_user)


def _asks(action: dict[str, Any], *, every: bool) -> bool:
    """Whether somebody may be busy for *action*: a user that it rings or, with *every*, who makes the call."""
    return action.get("action") in GOES_OUT if every else user_of_action(action) is not None


def user_of_action(action: dict[str, Any]) -> str | None:
    """The user whom *action* rings, if it does."""
    return user_rung(action) if action.get("action") == "connect" else None


def step_of_action(action: dict[str, Any]) -> tuple[str, str, str] | None:
    """Flow, step and state where the result of *action* goes, if that is a step of ours."""
    urls = action.get("eventUrl")
    first = urls[0] if isinstance(urls, list) and urls else None
    address = step_at(first) if isinstance(first, str) else None
    state = address.parameters.get(STATE) if address else None
    return (address.flow, address.step, state) if address and state else None
