"""Every /voice/* route: verify, read, record, reply.

The status code says whose fault it is and what the sender will do: Vonage repeats a request, once, on 429, 503, 504 and
time-outs, and on nothing else. https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, abort, g, request

from app.domain.events import Event
from app.flows.tutorial import LAST_RESORT, Served
from app.logs import tell
from app.services import services
from app.webhooks.body import BadBody, read_body, write_json
from app.webhooks.schemas import kept_answer, read_answer, read_event, read_kept_answer
from app.webhooks.signature import SignatureMissing, SignatureRefused

log = logging.getLogger(__name__)

voice = Blueprint("voice", __name__, url_prefix="/voice")
METHODS = ["GET", "POST"]
SAY_AGAIN_SECONDS = 60.0
_last_said: dict[str, float] = {}  # why a webhook was refused -> when the log last said what to do about it


@voice.before_request
def verify() -> None:
    """Refuse what is not Vonage's. Here, so that no new route can forget it."""
    g.received, g.notes = datetime.now(UTC), ()
    if request.method not in METHODS:
        abort(405, valid_methods=METHODS)  # HEAD, which Flask would take for a GET: nobody reads that answer
    body = request.get_data()  # first of all: what is too large is refused unread
    signatures = services().signatures
    if signatures is None:
        g.notes = ("unsigned",)
        return
    authorization, query = request.headers.get("Authorization"), request.query_string
    try:
        g.notes = signatures.check(
            authorization=authorization, method=request.method, body=body, query=query, now=time.time()
        )
    except (SignatureMissing, SignatureRefused) as fault:
        _refuse(fault)
    if "get_hash_mismatch" in g.notes:
        services().store.count("reported:get_hash_mismatch")
        log.warning("the payload hash of a GET webhook is not of its query (VERIFY_GET_HASH is off: let through)")


@voice.route("/event", methods=METHODS)
def event() -> Response:
    """Take one event of any kind. A repeat gets 200 too: it changes nothing."""
    text, body = _read()
    _record(text, body)
    return _go_on()


@voice.route("/answer", methods=METHODS)
def answer() -> Response:
    """Say what to do with a call. Never waits for the store: the record of it is written after."""
    _, body = _read()
    return _answer(body)


@voice.route("/fallback", methods=METHODS)
def fallback() -> Response:
    """Take a request that Vonage could not get done at another URL: as that one would have, and note the reason.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """
    text, body = _read()
    original = body.get("original_request")
    kind = original.get("type") if isinstance(original, dict) else None
    if kind == "event" or (kind != "answer" and body.get("status")):
        _record(text, body)
        return _go_on()
    return _answer(body)


def _refuse(fault: SignatureMissing | SignatureRefused) -> None:
    """Raise *fault*; with WEBHOOK_VERIFY=report count and log it, and let the request through."""
    if services().settings.webhook_verify == "report":
        g.notes = ("unsigned" if isinstance(fault, SignatureMissing) else "refused_signature",)
        services().store.count(f"reported:{fault.fault}")
        log.warning("let through, for WEBHOOK_VERIFY is report: %s", fault)
        return
    tell(outcome=f"refused:{fault.fault}")
    if time.monotonic() - _last_said.get(fault.fault, -SAY_AGAIN_SECONDS) >= SAY_AGAIN_SECONDS:
        _last_said[fault.fault] = time.monotonic()  # the answer goes to Vonage: whoever runs this reads the log
        log.warning("refused: %s", fault)
    services().store.count(f"refused:{fault.fault}")
    raise fault


def _read() -> tuple[bytes, dict[str, Any]]:
    """The webhook's JSON text and object. Raises BadBody; the body, which was signed, is kept all the same."""
    try:
        return read_body(request.get_data(), request.query_string.decode(errors="replace"))
    except BadBody as bad:
        tell(outcome="unfiled:bad_body")
        services().store.unfile(request.get_data() or request.query_string, f"bad body: {bad}", g.received)
        raise


def _record(text: bytes, body: dict[str, Any]) -> None:
    """Keep the event. A fallback copy is two: that the fallback was needed, and the event itself as it first was."""
    copied = body.get("original_request") is not None
    _keep(read_event(body), text, counted=not copied)
    if copied:
        original = {name: value for name, value in body.items() if name not in ("original_request", "reason")}
        _keep(read_event(original), write_json(original))


def _keep(event: Event, text: bytes, *, counted: bool = True) -> None:
    store, outcome = services().store, "unavailable"
    try:
        if event.homes:
            outcome = "kept" if store.record(event, text, g.received, g.notes, counted=counted) else "repeat"
        else:
            store.unfile(text, f"{event.kind} without a conversation", g.received)
            outcome = "unfiled"
    finally:
        tell(event=event, outcome=outcome)


def _answer(body: dict[str, Any]) -> Response:
    began = time.perf_counter()
    asked, served = None, LAST_RESORT
    try:
        asked = read_answer(body)
        served = services().flows.answer(asked)
    except Exception:  # whatever it is, the caller hears something
        log.exception("no call flow could answer: the last resort did")
    response = Response(write_json(served.ncco), content_type="application/json")
    took_ms = round((time.perf_counter() - began) * 1000, 3)
    tell(event=asked, outcome=f"answered:{served.flow}")
    try:
        _keep_answer(body, served, took_ms)
    except Exception:
        log.exception("an answer was given, but not recorded")
    return response


def _keep_answer(body: dict[str, Any], served: Served, took_ms: float) -> None:
    """Hand the record of an answer to the writer. Its id is made here: two askings are two records."""
    kept = kept_answer(body, {"id": uuid4().hex[:16], "flow": served.flow, "took_ms": took_ms, "ncco": served.ncco})
    text = write_json(kept)
    answer = read_kept_answer(kept, text)
    if answer.homes:
        services().store.record_later(answer, text, g.received, g.notes)
    else:
        services().store.unfile_later(text, "answer without a conversation", g.received)


def _go_on() -> Response:
    """200 with an empty body and no content type: "no NCCO, go on with the script"."""
    response = Response()
    response.headers.clear()
    return response
