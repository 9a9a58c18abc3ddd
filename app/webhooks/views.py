"""Every /voice/* route: verify, read, record, reply.

The status code says whose fault it is and what the sender will do: Vonage repeats a request, once, on 429, 503, 504 and
time-outs, and on nothing else. https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from flask import Blueprint, Response, abort, g, request

from app.domain.events import Detection, Event, Unknown
from app.flows.reply import LAST_RESORT, LAST_RESORT_COUNTER, Reply
from app.services import services
from app.store.errors import StoreUnavailable
from app.web.logs import annotate
from app.webhooks.body import BadBody, read_body, write_json
from app.webhooks.schemas import kept_answer, read_event, read_kept_answer
from app.webhooks.signature import SignatureMissing, SignatureRefused
from app.webhooks.to_flow import request_of, result_of

log = logging.getLogger(__name__)

voice = Blueprint("voice", __name__, url_prefix="/voice")
METHODS = ["GET", "POST"]
STATE: Final = "state"  # the parameter in a step's address: what the call takes along
STEP_PATH: Final = re.compile(r"/voice/flows/([\w-]+)/([\w-]+)\Z", re.ASCII)
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
    return _event(text, body)


@voice.route("/answer", methods=METHODS)
def answer() -> Response:
    """Say what to do with a call. Never waits for the store: the record of it is written after."""
    _, body = _read()
    return _answer(body)


@voice.route("/flows/<flow>/<step>", methods=METHODS)
def step(flow: str, step: str) -> Response:
    """Take what came back from an action of a flow's step, and say what comes next."""
    text, body = _read()
    if not request.get_data() and STATE in body:  # by GET the address' own parameter is among the event's
        del body[STATE]
        text = write_json(body)
    return _step(text, body, flow, step, next(reversed(request.args.getlist(STATE)), None))


@voice.route("/fallback", methods=METHODS)
def fallback() -> Response:
    """Take a request that Vonage could not get done at another URL: as that one would have, and note the reason.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """
    text, body = _read()
    original = body.get("original_request")
    kind, url = (original.get("type"), original.get("url")) if isinstance(original, dict) else (None, None)
    if isinstance(url, str) and (place := _step_at(url)):
        return _step(text, body, *place)
    if kind == "event" or (kind != "answer" and body.get("status")):
        return _event(text, body)
    return _answer(body)


def _refuse(fault: SignatureMissing | SignatureRefused) -> None:
    """Raise *fault*; with WEBHOOK_VERIFY=report count and log it, and let the request through."""
    if services().settings.webhook_verify == "report":
        g.notes = ("unsigned" if isinstance(fault, SignatureMissing) else "refused_signature",)
        services().store.count(f"reported:{fault.fault}")
        log.warning("let through, for WEBHOOK_VERIFY is report: %s", fault)
        return
    annotate(outcome=f"refused:{fault.fault}")
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
        annotate(outcome="unfiled:bad_body")
        services().store.unfile(request.get_data() or request.query_string, f"bad body: {bad}", g.received)
        raise


def _step_at(url: str) -> tuple[str, str, str | None] | None:
    """Flow, step and state in the address of a step of ours."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if found := STEP_PATH.search(parts.path):
            return found[1], found[2], dict(parse_qsl(parts.query)).get(STATE)
    return None


def _original(body: dict[str, Any]) -> dict[str, Any]:
    """What a fallback copy is a copy of; any other webhook itself."""
    if body.get("original_request") is None:
        return body
    return {name: value for name, value in body.items() if name not in ("original_request", "reason")}


def _event(text: bytes, body: dict[str, Any]) -> Response:
    """Keep the event. Who or what picked up a call of ours may change what it is told."""
    began = time.perf_counter()
    original = _original(body)
    event, served = read_event(original), None
    if isinstance(event, Detection) and (result := result_of(event, original)):
        served = services().flows.detected(request_of(original), result, g.received)
    return _kept_and_told(text, body, event, served, began)


def _step(text: bytes, body: dict[str, Any], flow: str, step: str, state: str | None) -> Response:
    """Keep what came back from the step, and serve what comes next."""
    began = time.perf_counter()
    original = _original(body)
    event, flows, served = read_event(original), services().flows, None
    if isinstance(event, Unknown):  # asked for as by an answer webhook: `onAnswer`, a transfer, a call by the Voice API
        served = flows.enter(flow, step, state, request_of(original))
        if served is not None:
            return _reply(served, body, began)
    elif result := result_of(event, original):
        served = flows.follow(flow, step, state, request_of(original), result)
    return _kept_and_told(text, body, event, served, began)


def _kept_and_told(text: bytes, body: dict[str, Any], event: Event, served: Reply | None, began: float) -> Response:
    """Keep *event*, the webhook *body*, and reply with what was *served*, if anything was.

    While Redis is away, what was replied to is kept like an answer, when Redis is back: who waits for the next step
    must not wait in silence. What nobody waits for is to come again.
    """
    try:
        _record(text, body, event)
    except StoreUnavailable as away:
        if served is None:
            raise
        # What only took too long will most likely be carried out, and has been counted then.
        _record(text, body, event, keep=partial(_keep_later, counted=away.reason != "timeout"))
    return _reply(served, _about(event), began, counted=False) if served is not None else _go_on()


def _about(event: Event) -> dict[str, Any]:
    """What the record of an answer to *event* says of the request: the event itself is kept beside it."""
    told = {"conversation_uuid": event.conversation, "uuid": event.leg}
    return {name: value for name, value in told.items() if value is not None}


def _record(text: bytes, body: dict[str, Any], event: Event, *, keep: Callable[..., None] | None = None) -> None:
    """Keep *event*, which the webhook *body* tells. A fallback copy is two: that the fallback was needed as well."""
    keep = keep or _keep
    if body.get("original_request") is None:
        keep(event, text)
    else:
        keep(read_event(body), text, counted=False)
        keep(event, write_json(_original(body)))


def _keep(event: Event, text: bytes, *, counted: bool = True) -> None:
    store, outcome = services().store, "unavailable"
    try:
        if event.conversations:
            outcome = "kept" if store.record(event, text, g.received, g.notes, counted=counted) else "repeat"
        else:
            store.unfile(text, f"{event.kind} without a conversation", g.received)
            outcome = "unfiled"
    finally:
        annotate(event=event, outcome=outcome)


def _keep_later(event: Event, text: bytes, *, counted: bool = True) -> None:
    if event.conversations:
        services().store.record_later(event, text, g.received, g.notes, counted=counted)
    else:
        services().store.unfile_later(text, f"{event.kind} without a conversation", g.received)
    annotate(event=event, outcome="later")


def _answer(body: dict[str, Any]) -> Response:
    began = time.perf_counter()
    try:
        served = services().flows.answer(request_of(body), g.received)
    except Exception:  # whatever it is, the caller hears something
        log.exception("no call flow could answer: the last resort did")
        served = LAST_RESORT
    return _reply(served, body, began)


def _reply(served: Reply, asked: dict[str, Any], began: float, *, counted: bool = True) -> Response:
    """*served* as the reply to *asked*; the record of it is written after. *counted*: as a webhook of its own."""
    response = Response(write_json(served.ncco), content_type="application/json")
    took_ms = round((time.perf_counter() - began) * 1000, 3)
    try:
        _keep_answer(asked, served, took_ms, counted=counted)
    except Exception:
        log.exception("an answer was given, but not recorded")
    return response


def _keep_answer(asked: dict[str, Any], served: Reply, took_ms: float, *, counted: bool) -> None:
    """Hand the record of an answer to the writer. Its id is made here: two askings are two records."""
    told = served._asdict() | {"id": uuid4().hex[:16], "took_ms": took_ms}
    kept = kept_answer(asked, told)
    text = write_json(kept)
    answer = read_kept_answer(kept, text)
    annotate(event=answer, outcome=f"answered:{'/'.join(filter(None, (served.flow, served.step)))}")
    store = services().store
    if served.fault is not None:
        store.count(LAST_RESORT_COUNTER)
    if answer.conversations:
        # Where an event is replied to, the webhook is the event, and counted as that.
        store.record_later(answer, text, g.received, g.notes, counted=counted)
    else:
        store.unfile_later(text, "answer without a conversation", g.received)


def _go_on() -> Response:
    """200 with an empty body and no content type: "no NCCO, go on with the script"."""
    response = Response()
    response.headers.clear()
    return response
