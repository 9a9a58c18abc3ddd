"""Servers with one fault each, for gunicorn: `tests.e2e.faulty_servers:drops_one_in_a_hundred()`.

Each is the real server with one function replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zlib import crc32

from flask import Flask, Response, request

from app.calls import queries
from app.domain import conversations
from app.domain.conversations import Conversation, History, project
from app.domain.events import CallStatus, Transfer
from app.domain.leg_state import state_of
from app.domain.legs import Leg, bits_of
from app.services import Services
from app.store import record_command
from app.webhooks import guard, persist
from app.webhooks.intake import read_webhook
from app.webhooks.signature import SignatureFault, Signatures


def drops_one_in_a_hundred() -> Flask:
    """Acknowledge every event, but store only 99 of 100; copies of the dropped one are dropped too."""
    app = served()
    rightly = app.view_functions["voice.event"]

    def event() -> Any:
        return Response() if crc32(request.get_data()) % 100 == 0 else rightly()

    app.view_functions["voice.event"] = event
    return app


def trusts_the_latest_event() -> Flask:
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

    queries.project = projected  # type: ignore[attr-defined]
    return served()


def ignores_signatures() -> Flask:
    """Accept every webhook, however it is signed."""
    Signatures.check = lambda *_, **__: ()  # type: ignore[method-assign]
    return served()


def keeps_what_it_refuses() -> Flask:
    """Answer 401, but store the event before."""
    rightly = guard._refuse

    def refuse(fault: SignatureFault, services: Services) -> None:
        if request.path == "/voice/event":
            webhook = read_webhook(request.get_data(), request.query_string, datetime.now(UTC), ())
            persist.keep(webhook, services.store)
        rightly(fault, services)

    guard._refuse = refuse
    return served()


def accepts_old_signatures() -> Flask:
    """Accept webhooks that were signed any time ago, so that anybody can repeat one."""
    Signatures._check_times = lambda *_: None  # type: ignore[method-assign]
    return served()


def rounds_prices() -> Flask:
    """Add prices as floats and round the sum."""

    def add_up(prices: Iterable[str | None]) -> str | None:
        known = [float(price) for price in prices if price is not None]
        return f"{round(sum(known), 4):.8f}" if known else None

    conversations.total = add_up
    return served()


def forgets_who_left() -> Flask:
    """Store a transfer only in the conversation that the leg moved to."""
    Transfer.conversations = property(lambda move: (move.joined,))  # type: ignore[assignment,method-assign]
    return served()


def keeps_every_copy() -> Flask:
    """Store every copy of an event as a new one."""
    record_command.digest = lambda body: os.urandom(8)  # noqa: ARG005 - its name is the one it has
    return served()


def is_sometimes_wrong() -> Flask:
    """Return a wrong direction one time in ten, as a stale cache or one faulty worker would."""
    app, requests = served(), count(1)
    rightly: Any = app.view_functions["conversations.get_conversation"]

    def get_conversation(**names: Any) -> Any:
        response = app.make_response(rightly(**names))
        found = response.get_json(silent=True) or {}
        if next(requests) % 10 == 0 and found.get("legs"):
            found["legs"][0]["direction"] = "sideways"
            response.set_data(json.dumps(found))
        return response

    app.view_functions["conversations.get_conversation"] = get_conversation
    return app


def invents_answers() -> Flask:
    """Return the last answer of a conversation twice."""

    def projected(conversation: str, events: History, **times: Any) -> Conversation | None:
        found = project(conversation, events, **times)
        return found and replace(found, answers=(*found.answers, *found.answers[-1:]))

    queries.project = projected  # type: ignore[attr-defined]
    return served()


def forgets_what_steps_served() -> Flask:
    """Store only the answers to answer webhooks."""
    rightly = persist.keep_answer

    def keep_answer(*answer: Any, to_event: bool) -> None:
        if not request.path.startswith("/voice/flows/"):
            rightly(*answer, to_event=to_event)

    persist.keep_answer = keep_answer  # type: ignore[assignment]
    return served()


def served() -> Flask:
    """The app, imported after the replacement."""
    from wsgi import app

    return app
