"""A server with a fault that is chosen while it runs, for gunicorn: the real one with one function replaced.

`POST /fault/rounds_prices` begins that fault, and ends the one before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from unittest.mock import patch

from flask import Flask, Response

from app.calls import queries
from app.calls.schemas import ControlSchema
from app.control.control import Control
from app.domain import conferences, conversations, leg_actions, leg_control
from app.domain.actions import MOVES
from app.domain.conferences import Conference, Member
from app.domain.conversations import Conversation, History, project
from app.domain.events import CallStatus, Transfer
from app.domain.leg_control import Done
from app.domain.leg_state import state_of
from app.domain.legs import Leg, bits_of
from app.domain.operations import Decision
from app.services import Services
from app.store import record_command
from app.store.contract import EventWriter
from app.webhooks import guard, persist
from app.webhooks.intake import Webhook, read_webhook
from app.webhooks.signature import SignatureFault, Signatures
from tests.serving import GUNICORN, Server

COMMAND = (*GUNICORN[:-1], "tests.e2e.faulty_servers:served()")

Fault = AbstractContextManager[Any]  # the server has it from its beginning to its end


def begin(server: Server, fault: str) -> None:
    """Make *server*, which was started by `COMMAND` with one worker, have the fault of that name and no other."""
    assert server.ask("POST", f"/fault/{fault}").status == 200


def drops_some_events(_: Flask) -> Fault:
    """Acknowledge every event, but do not store the twentieth, nor the two after it (one may be to be refused)."""
    rightly = persist.keep
    seen: set[bytes] = set()
    dropped: set[bytes] = set()

    def keep(webhook: Webhook, store: EventWriter) -> None:
        body = webhook.text
        if body not in seen and 20 <= len(seen) <= 22:
            dropped.add(body)
        seen.add(body)
        if body not in dropped:
            rightly(webhook, store)

    return patch.object(persist, "keep", keep)


def trusts_the_latest_event(_: Flask) -> Fault:
    """Give each leg the status that arrived last."""

    def projected(conversation: str, events: History, **times: Any) -> Conversation | None:
        found = project(conversation, events, **times)
        return found and replace(found, legs=tuple(leg._replace(leg=_last(leg.leg, events)) for leg in found.legs))

    def _last(leg: Leg, history: History) -> Leg:
        known = [kept for kept in history.values() if kept.event.leg == leg.uuid and isinstance(kept.event, CallStatus)]
        if not known:
            return leg
        last = max(known, key=lambda kept: kept.received).event
        assert isinstance(last, CallStatus)
        return replace(leg, status=last.status, state=state_of(bits_of(last)).state)

    return patch.object(queries, "project", projected)


def ignores_signatures(_: Flask) -> Fault:
    """Accept every webhook, however it is signed."""
    return patch.object(Signatures, "check", lambda *_, **__: ())


def keeps_what_it_refuses(_: Flask) -> Fault:
    """Answer 401, but store the event before."""
    rightly = guard.verify

    def verify(method: str, authorization: str | None, body: bytes, query: bytes, services: Services) -> Any:
        try:
            return rightly(method, authorization, body, query, services)
        except SignatureFault:
            if b'"status"' in body:
                persist.keep(read_webhook(body, query, datetime.now(UTC), ()), services.store)
            raise

    return patch("app.webhooks.replies.verify", verify)


def accepts_old_signatures(_: Flask) -> Fault:
    """Accept webhooks that were signed any time ago, so that anybody can repeat one."""
    return patch.object(Signatures, "_check_times", lambda *_: None)


def rounds_prices(_: Flask) -> Fault:
    """Add prices as floats and round the sum."""

    def add_up(prices: Iterable[str | None]) -> str | None:
        known = [float(price) for price in prices if price is not None]
        return f"{round(sum(known), 4):.8f}" if known else None

    return patch.object(conversations, "total_price", add_up)


def forgets_who_left(_: Flask) -> Fault:
    """Store a transfer only in the conversation that the leg moved to."""
    return patch.object(Transfer, "conversations", property(lambda move: (move.joined,)))


def keeps_every_copy(_: Flask) -> Fault:
    """Store every copy of an event as a new one."""
    return patch.object(record_command, "digest", lambda body: os.urandom(8))  # noqa: ARG005 - its name is the one it has


def is_sometimes_wrong(app: Flask) -> Fault:
    """Return a wrong direction one time in ten, as a stale cache or one faulty worker would."""
    requests = count(1)
    rightly: Any = app.view_functions["conversations.get_conversation"]

    def get_conversation(**names: Any) -> Any:
        response = app.make_response(rightly(**names))
        found = response.get_json(silent=True) or {}
        if next(requests) % 10 == 0 and found.get("legs"):
            found["legs"][0]["direction"] = "sideways"
            response.set_data(json.dumps(found))
        return response

    return patch.dict(app.view_functions, {"conversations.get_conversation": get_conversation})


def invents_answers(_: Flask) -> Fault:
    """Return the last answer of a conversation twice."""

    def projected(conversation: str, events: History, **times: Any) -> Conversation | None:
        found = project(conversation, events, **times)
        return found and replace(found, answers=(*found.answers, *found.answers[-1:]))

    return patch.object(queries, "project", projected)


def forgets_what_steps_served(_: Flask) -> Fault:
    """Store only the answers to answer webhooks."""
    rightly = persist.keep_answer

    def keep_answer(*answer: Any, to_event: bool) -> None:
        if not to_event:
            rightly(*answer, to_event=to_event)

    return patch.object(persist, "keep_answer", keep_answer)


@contextmanager
def forgets_mute_after_resume(_: Flask) -> Iterator[None]:
    """Bring a leg back from hold unmuted, and say that it is as muted as it was."""
    rightly = Control._request

    def request(control: Control, known: Any, verb: str, arguments: Any, **more: Any) -> Any:
        if verb == "resume":
            back = [{name: value for name, value in action.items() if name != "mute"} for action in arguments["ncco"]]
            arguments = {"ncco": back}
        return rightly(control, known, verb, arguments, **more)

    with patch.object(Control, "_request", request), patch.object(leg_actions, "_to_do_again", lambda *_: ()):
        yield


def holds_at_204(_: Flask) -> Fault:
    """Say that a leg is on hold once Vonage has accepted it."""
    return patch.object(leg_control, "BY_REPLY", leg_control.BY_REPLY | MOVES)


def joins_at_204(_: Flask) -> Fault:
    """Say that a leg has joined a conference once Vonage has accepted to move it."""

    def arrival(conference: Conference, member: Member) -> Decision | None:
        if conference.steps.target(member.leg) != "room":
            return None
        return Decision("joined", {"leg": member.leg, "conversation": None})

    return patch.object(conferences, "_arrival", arrival)


def shows_the_held_as_resumed(_: Flask) -> Fault:
    """Show a leg on hold as one that is not."""
    rightly = ControlSchema.get_attribute

    def get_attribute(schema: ControlSchema, obj: Any, attr: str, default: Any) -> Any:
        return None if attr == "hold" else rightly(schema, obj, attr, default)

    return patch.object(ControlSchema, "get_attribute", get_attribute)


def records_after_stop(_: Flask) -> Fault:
    """Show a conversation of which a recording was begun as one that is recorded, also after it was stopped."""

    def state(conversation: str, actions: Iterable[Done], _: object) -> str:
        own = [done.action.verb for done in actions if done.action.conversation == conversation and done.took_effect]
        return "active" if "record_start" in own else "inactive"

    return patch.object(conversations, "record_state", state)


def is_right(_: Flask) -> Fault:
    """Have no fault."""
    return nullcontext()


FAULTS = {
    fault.__name__: fault
    for fault in (
        *(
            drops_some_events,
            trusts_the_latest_event,
            ignores_signatures,
            keeps_what_it_refuses,
            accepts_old_signatures,
        ),
        *(rounds_prices, forgets_who_left, keeps_every_copy, is_sometimes_wrong, invents_answers),
        *(forgets_what_steps_served, forgets_mute_after_resume, holds_at_204, joins_at_204, shows_the_held_as_resumed),
        *(records_after_stop, is_right),
    )
}


def served() -> Flask:
    """The app, without a fault at first."""
    from wsgi import app

    rightly, now = app.wsgi_app, ExitStack()

    def choose(environ: Any, start_response: Any) -> Any:
        before, _, name = environ["PATH_INFO"].rpartition("/")
        if before != "/fault":
            return rightly(environ, start_response)
        now.close()
        now.enter_context(FAULTS[name](app))
        return Response()(environ, start_response)

    app.wsgi_app = choose  # type: ignore[method-assign]
    return app
