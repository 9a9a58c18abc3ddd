"""Servers with one fault each, for gunicorn: `tests.e2e.broken:drops_one_in_a_hundred()`.

Each is the server itself with one thing exchanged in it, so that all else about it is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from typing import Any
from zlib import crc32

from flask import Flask, Response, request

from app.domain import conversations
from app.domain.conversations import Conversation, History
from app.domain.events import CallStatus, Transfer
from app.domain.leg_state import state_of
from app.domain.legs import Leg, bits_of
from app.flows.reply import Reply
from app.store import record_command
from app.webhooks import views
from app.webhooks.schemas import read_event
from app.webhooks.signature import SignatureMissing, SignatureRefused, Signatures


def drops_one_in_a_hundred() -> Flask:
    """It acknowledges every event, but of a hundred it keeps ninety-nine; copies of the one are dropped, too."""
    app = served()
    rightly = app.view_functions["voice.event"]

    def event() -> Any:
        return Response() if crc32(request.get_data()) % 100 == 0 else rightly()

    app.view_functions["voice.event"] = event
    return app


def believes_what_came_last() -> Flask:
    """A leg has the status that arrived last."""
    rightly = conversations.project

    def tell(conversation: str, events: History, **times: Any) -> Conversation | None:
        found = rightly(conversation, events, **times)
        return found and replace(found, legs=tuple(one._replace(leg=_last(one.leg, events)) for one in found.legs))

    def _last(leg: Leg, told: History) -> Leg:
        heard = [kept for kept in told.values() if kept.event.leg == leg.uuid and isinstance(kept.event, CallStatus)]
        if not heard:
            return leg
        last = max(heard, key=lambda kept: kept.received).event
        assert isinstance(last, CallStatus)
        return replace(leg, status=last.status, state=state_of(bits_of(last)).state)

    conversations.project = tell
    return served()


def looks_at_no_signature() -> Flask:
    """It says that it does, and takes what anybody sends."""
    Signatures.check = lambda *_, **__: ()  # type: ignore[method-assign]
    return served()


def keeps_what_it_refuses() -> Flask:
    """It says 401, and has kept the event by then."""
    rightly = views._refuse

    def refuse(fault: SignatureMissing | SignatureRefused) -> None:
        if request.path == "/voice/event":
            text, body = views._read()
            views._record(text, body, read_event(body))
        rightly(fault)

    views._refuse = refuse
    return served()


def takes_what_was_signed_long_ago() -> Flask:
    """Whoever has once seen a webhook can send it again."""
    Signatures._check_times = lambda *_: None  # type: ignore[method-assign]
    return served()


def rounds_prices() -> Flask:
    """It adds prices up as floats, and rounds what comes of them."""

    def add_up(prices: Iterable[str | None]) -> str | None:
        known = [float(price) for price in prices if price is not None]
        return f"{round(sum(known), 4):.8f}" if known else None

    conversations._sum = add_up
    return served()


def forgets_who_left() -> Flask:
    """It keeps a move only with the conversation that the leg went to."""
    Transfer.conversations = property(lambda move: (move.joined,))  # type: ignore[assignment,method-assign]
    return served()


def keeps_every_copy() -> Flask:
    """It takes each for a new event."""
    record_command.digest = lambda body: os.urandom(8)  # noqa: ARG005 - its name is the one it has
    return served()


def tells_wrong_now_and_then() -> Flask:
    """One time in ten a leg has another direction: a cache, or one worker of several, would be such a thing."""
    app, asked = served(), count(1)
    rightly: Any = app.view_functions["conversations.get_conversation"]

    def get_conversation(**names: Any) -> Any:
        response = app.make_response(rightly(**names))
        told = response.get_json(silent=True) or {}
        if next(asked) % 10 == 0 and told.get("legs"):
            told["legs"][0]["direction"] = "sideways"
            response.set_data(json.dumps(told))
        return response

    app.view_functions["conversations.get_conversation"] = get_conversation
    return app


def makes_answers_up() -> Flask:
    """It tells of one answer more than it gave."""
    rightly = conversations.project

    def tell(conversation: str, events: History, **times: Any) -> Conversation | None:
        found = rightly(conversation, events, **times)
        return found and replace(found, answers=(*found.answers, *found.answers[-1:]))

    conversations.project = tell
    return served()


def forgets_what_steps_served() -> Flask:
    """It keeps the answers to answer webhooks alone."""
    rightly = views._keep_answer

    def keep_answer(asked: dict[str, Any], served: Reply, took_ms: float, *, counted: bool) -> None:
        if not request.path.startswith("/voice/flows/"):
            rightly(asked, served, took_ms, counted=counted)

    views._keep_answer = keep_answer
    return served()


def served() -> Flask:
    """The app, made now that one thing in it is another."""
    from wsgi import app

    return app
